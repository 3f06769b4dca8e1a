import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the host was asked to do, and the SHA-1 of what it should get and got. */
export interface HostDeed {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

const PATIENCE_MS = 120_000;

/** The host as a client of the guest's servers. */
export class Host {
  readonly #tree: string;
  readonly #home: string;

  /** @param tree of Debian, whose programs run natively too; @param home a folder for keys */
  constructor(tree: string, home: string) {
    this.#tree = tree;
    this.#home = home;
  }

  /** Puts a key to log in with into the folder of a rung that has an ssh server. */
  prepare(work: string): void {
    if (!existsSync(join(this.#tree, 'usr/bin/dropbearkey'))) return;
    const key = join(this.#home, 'key');
    if (!existsSync(key)) {
      const [program, ...args] = this.#native('dropbearkey', '-t', 'ed25519', '-f', key);
      const printed = execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });
      writeFileSync(`${key}.pub`, /^ssh-.*$/m.exec(printed)?.[0] ?? '');
    }
    for (const name of ['key', 'key.pub']) copyFileSync(join(this.#home, name), join(work, name));
  }

  /**
   * @param request `get PORT PATH SHA1` or `ssh PORT SHA1 COMMAND`
   * @param forwards ports of the host by those of the guest
   */
  async do(request: string, forwards: ReadonlyMap<number, number>): Promise<HostDeed> {
    const [kind, inside, ...rest] = request.split(' ');
    const port = forwards.get(Number(inside));
    const [expected = '', argument] =
      kind === 'get' ? [rest[1], rest[0]!] : [rest[0], rest.slice(1).join(' ')];
    let got: string;
    try {
      const bytes =
        kind === 'get'
          ? await this.#fetch(`http://127.0.0.1:${port}${argument}`)
          : await this.#logIn(port ?? 0, argument);
      got = createHash('sha1').update(bytes).digest('hex');
    } catch (error) {
      got = String(error);
    }
    return { what: `${kind} ${argument}`, expected, got };
  }

  async #fetch(url: string): Promise<Uint8Array> {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return new Uint8Array(await response.arrayBuffer());
  }

  async #logIn(port: number, command: string): Promise<Uint8Array> {
    const options = ['-y', '-i', join(this.#home, 'key'), '-p', String(port)];
    const [program, ...args] = this.#native('dbclient', ...options, 'root@127.0.0.1', command);
    const env = { ...process.env, HOME: this.#home };
    const client = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS });
    const [out, errors]: [Buffer[], Buffer[]] = [[], []];
    client.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    client.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    const [code] = await once(client, 'close');
    if (code !== 0) throw new Error(`dbclient: exit code ${code}, ${Buffer.concat(errors)}`);
    return Buffer.concat(out);
  }

  /** A program of the tree with the tree's libraries, as a command line for the host. */
  #native(name: string, ...args: string[]): [string, ...string[]] {
    const inTree = (path: string) => join(this.#tree, path);
    const libraries = ['--library-path', inTree('lib/i386-linux-gnu')];
    return [inTree('lib/ld-linux.so.2'), ...libraries, inTree(`usr/bin/${name}`), ...args];
  }
}
