import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../harness.ts';
import { at } from './busybox-world.ts';

/** What the host was asked to do, and the SHA-1 of what it should get and got. */
export interface HostDeed {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  /** What the script in the guest is told. */
  readonly answer: string;
}

const PATIENCE_MS = 120_000;
/** The host's loopback, as the guest's network shows it. */
const HOST_IN_GUEST = '10.0.2.2';

/** The host as a client of the guest's servers, and as a server to the guest. */
export class Host {
  readonly #tree: string;
  readonly #home: string;
  readonly #servers: ChildProcess[] = [];

  /** @param tree of Debian, whose programs run natively too; @param home a folder for keys and what is served */
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

  /** Ends what it serves. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.kill();
  }

  /**
   * @param request `get PORT PATH SHA1`: fetch it from the guest; `ssh PORT SHA1 COMMAND`: log in to the guest;
   *   `serve NAME`: run ladder/NAME.serve, which makes something and serves it, and tell the guest where;
   *   `run NAME SHA1 COMMAND`: a command beside that server
   * @param forwards ports of the host by those of the guest
   */
  async do(request: string, forwards: ReadonlyMap<number, number>): Promise<HostDeed> {
    const [kind, first = '', second = '', ...rest] = request.split(' ');
    const port = forwards.get(Number(first)) ?? 0;
    const hash = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex');
    const told = async (what: string, expected: string, bytes: Promise<Uint8Array>): Promise<HostDeed> => {
      const got = await bytes.then(hash, String);
      return { what: `${kind} ${what}`, expected, got, answer: '' };
    };
    if (kind === 'get') return told(second, rest[0] ?? '', this.#fetch(`http://127.0.0.1:${port}${second}`));
    if (kind === 'serve') return this.#serve(first);
    const command = rest.join(' ');
    return told(command, second, kind === 'ssh' ? this.#logIn(port, command) : this.#beside(first, command));
  }

  async #serve(name: string): Promise<HostDeed> {
    const port = await freePort();
    const script = `exec sh /w/${name}.serve 127.0.0.1:${port} /w`;
    mkdirSync(join(this.#home, name));
    copyFileSync(at(`ladder/${name}.serve`), join(this.#home, name, `${name}.serve`));
    const [program, ...args] = this.#inTree(name, script);
    this.#servers.push(spawn(program, args, { stdio: 'ignore' }));
    return { what: `serve ${name}`, expected: '', got: '', answer: `${HOST_IN_GUEST}:${port}` };
  }

  async #beside(name: string, command: string): Promise<Uint8Array> {
    const [program, ...args] = this.#inTree(name, `exec ${command}`);
    return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS });
  }

  /** A shell's script in the tree, with the network of the host and a folder of its own as /w. */
  #inTree(name: string, script: string): [string, ...string[]] {
    const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    const mounts = 'mount --bind "$1" "$2/w" && mount --rbind /dev "$2/dev" && mount -t tmpfs tmpfs "$2/tmp"';
    const enter = `${mounts} && exec chroot "$2" /usr/bin/env -i HOME=/w PATH=/usr/bin:/bin /bin/sh -c "$3"`;
    const args = [...asRoot, '--mount', '--propagation', 'private', 'sh', '-c', enter, 'sh'];
    return ['unshare', ...args, join(this.#home, name), this.#tree, script];
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
