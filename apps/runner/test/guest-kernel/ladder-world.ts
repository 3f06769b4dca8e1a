import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtDomu, type Driven } from '../built-domu.ts';
import { freePort, type Sandbox } from '../harness.ts';
import { at } from './busybox-world.ts';
import { debianTree, unshareArguments } from './debian-world.ts';
import type { Host, HostDeed } from './ladder-host.ts';

/** A server or a large program: a script that must print the same in the guest as on the host. */
export interface Rung {
  /** Of its file: the number in the ladder of programs, and who. */
  readonly name: string;
  readonly title: string;
  readonly packages: readonly string[];
  /** Files of npm packages: NAME@VERSION:PATH. */
  readonly npm: readonly string[];
  /** Folders of this repository that the script finds in src. */
  readonly sources: readonly string[];
  /** Servers of the host's: ladder/NAME.serve, which the script starts itself where no host does. */
  readonly serves: readonly string[];
  /** Ports of the guest that the host connects to. */
  readonly ports: readonly number[];
  readonly memory: number;
  readonly script: string;
}

export interface Outcome {
  readonly status: number;
  readonly ms: number;
  /** What has to be the same on both sides. */
  readonly lines: string;
  readonly measurements: readonly string[];
}

/** What there is to run: the tree with its image, and the programs from npm by name. */
export interface Fixture {
  readonly tree: string;
  readonly image: string;
  readonly programs: Readonly<Record<string, string>>;
}

/** What every script uses. */
const COMMON = ['busybox-static', 'base-passwd', 'coreutils', 'dash', 'grep', 'mount', 'sed'];
const DEFAULT_MEMORY = 256;
const WORK_DISK = '768M';
const SECONDS = Number(process.env.DOMU_LADDER_SECONDS ?? 900);

export function readRungs(): Rung[] {
  const names = readdirSync(at('ladder')).filter((name) => /^\d.*\.sh$/.test(name));
  return names.sort().map((file) => {
    const script = readFileSync(at(`ladder/${file}`), 'utf8');
    const words = (name: string): string[] =>
      new RegExp(`^# ${name}: (.*)$`, 'm').exec(script)?.[1]?.split(' ') ?? [];
    return {
      name: file.replace('.sh', ''),
      title: script.slice(2, script.indexOf('\n')),
      packages: [...COMMON, ...words('packages')],
      npm: words('npm'),
      sources: words('sources'),
      serves: words('serves'),
      ports: words('ports').map(Number),
      memory: Number(words('memory')[0] ?? DEFAULT_MEMORY),
      script,
    };
  });
}

/** Fetched on first use, or the reason why not. */
export function fixtureOf(rung: Rung): Fixture | { readonly missing: string } {
  const debian = debianTree(rung.packages);
  if (debian.missing !== undefined) return debian;
  const script = at('../../../../scripts/npm-fixture.mjs');
  const npm = JSON.parse(execFileSync(process.execPath, [script, ...rung.npm], { encoding: 'utf8' }));
  return npm.missing === undefined ? { ...debian, programs: npm.files } : npm;
}

function prepareWork(sandbox: Sandbox, name: string, rung: Rung, fixture: Fixture): string {
  const work = sandbox.path(name);
  mkdirSync(join(work, 'bin'), { recursive: true });
  writeFileSync(join(work, 'run.sh'), readFileSync(at('ladder/prelude.sh')));
  writeFileSync(join(work, 'rung.sh'), rung.script);
  for (const name of rung.serves)
    writeFileSync(join(work, `${name}.serve`), readFileSync(at(`ladder/${name}.serve`)));
  for (const [program, path] of Object.entries(fixture.programs)) {
    writeFileSync(join(work, 'bin', program), readFileSync(path), { mode: 0o755 });
  }
  for (const folder of rung.sources) {
    const [, name = ''] = /packages\/([^/]+)/.exec(folder) ?? [];
    cpSync(at(`../../../../${folder}`), join(work, 'src', name), { recursive: true });
  }
  return work;
}

function outcome(printed: string, who: string): Outcome {
  const found = /@@ (\d+) (\d+)\n([^@]*)@@ end/.exec(printed.replaceAll('\r', ''));
  if (!found) throw new Error(`${who} comes to no end:\n${printed.slice(-3000)}`);
  const all = Buffer.from(found[3]!, 'base64').toString('utf8').split('\n');
  const isMeasurement = (line: string) => line.startsWith('~ ');
  return {
    status: Number(found[1]),
    ms: Number(found[2]),
    lines: all.filter((line) => !isMeasurement(line)).join('\n'),
    measurements: all.filter(isMeasurement).map((line) => line.slice(2)),
  };
}

/** Runs a rung natively, in name spaces of its own. */
export function onHost(sandbox: Sandbox, rung: Rung, fixture: Fixture, host: Host): Outcome {
  const work = prepareWork(sandbox, `${rung.name}-host`, rung, fixture);
  host.prepare(work);
  const args = [...unshareArguments(), 'sh', at('debian/enter.sh'), fixture.tree, work, '0'];
  const result = spawnSync('unshare', args, { encoding: 'latin1', maxBuffer: 1 << 28, input: '' });
  rmSync(work, { recursive: true });
  return outcome(result.stdout, `${rung.name} on the host (${result.stderr.slice(-1000)})`);
}

/** Runs a rung in the built-in kernel: the tree as its root disk, a second disk to work on; the host does what it is asked for. */
export async function inGuest(
  sandbox: Sandbox,
  rung: Rung,
  fixture: Fixture,
  options: { readonly host: Host; readonly engine: string },
): Promise<Outcome & { readonly deeds: readonly HostDeed[]; readonly cpuSeconds: number }> {
  const folder = prepareWork(sandbox, `${rung.name}-guest`, rung, fixture);
  options.host.prepare(folder);
  const work = sandbox.path(`${rung.name}.img`);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '4096', '-d', folder, work, WORK_DISK], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  rmSync(folder, { recursive: true });
  const forwards = new Map<number, number>();
  for (const port of rung.ports) forwards.set(port, await freePort());
  const net = [
    'user',
    ...[...forwards].map(([inside, outside]) => `hostfwd=tcp:127.0.0.1:${outside}-:${inside}`),
  ];
  const deeds: HostDeed[] = [];
  const result = await builtDomu(
    [
      ...['run', 'guest-kernel', '--memory', String(rung.memory), '--engine', options.engine],
      ...['--disk', `${fixture.image},raw,xvda,w`, '--disk', `${work},raw,xvdb,w`, '--net', net.join(',')],
      ...['--cmdline', 'root=/dev/xvda ro quiet init=/sbin/cases limit=0'],
      ...['--timeout', String(SECONDS)],
    ],
    (terminal) => serve(terminal, options.host, forwards, deeds),
  );
  rmSync(work);
  const { code, stdout, stderr, cpuSeconds } = result;
  return {
    ...outcome(stdout, `${rung.name} in the guest (exit code ${code}, ${stderr})`),
    deeds,
    cpuSeconds,
  };
}

/** Does what lines that begin with @host ask for, and answers with Enter; ends the run when the script has ended. */
function serve(terminal: Driven, host: Host, forwards: Map<number, number>, deeds: HostDeed[]): void {
  let seen = 0;
  terminal.onOutput = (output) => {
    if (output.includes('@@ end')) terminal.interrupt();
    const asked = output.slice(seen).match(/@host [^\n]*\n/);
    if (asked?.index === undefined) return;
    seen += asked.index + asked[0].length;
    host.do(asked[0].slice('@host '.length).trim(), forwards).then((deed) => {
      deeds.push(deed);
      terminal.type(`${deed.answer}\n`);
    });
  };
}
