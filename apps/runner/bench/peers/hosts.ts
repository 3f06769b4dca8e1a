import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MEMORY_MIB = 64;
const SEABIOS = '/usr/share/seabios';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Something that runs the image: a command that starts a process which does nothing else. */
export interface Host {
  readonly name: HostName;
  /** @param run what the guest finds on its command line */
  readonly command: (image: string, run: string) => readonly [file: string, ...args: string[]];
  /** Why it cannot run, and what would help; null when it can. */
  readonly missing: () => string | null;
}

export type HostName = 'domu' | 'v86' | 'qemu' | 'native';
/** The hosts that domu is compared with. */
export type PeerName = 'v86' | 'qemu';

/** `domu run`. @param fromSource without a build first; slower, for tests */
export function domuHost(fromSource: boolean): Host {
  const how = fromSource
    ? ['--conditions=@domu/source', '--import', import.meta.resolve('tsx'), here('../../src/main.ts')]
    : [here('../../dist/domu.mjs')];
  return {
    name: 'domu',
    command: (image, run) => [
      ...([process.execPath, ...how, 'run', image] as const),
      ...['--cmdline', run, '--memory', String(MEMORY_MIB), '--engine', 'jit'],
    ],
    missing: () => null,
  };
}

export const v86Host: Host = {
  name: 'v86',
  command: (image, run) => [
    process.execPath,
    here('v86-host.mjs'),
    image,
    run,
    String(MEMORY_MIB),
    `${SEABIOS}/bios.bin`,
    `${SEABIOS}/vgabios.bin`,
  ],
  missing: () => (existsSync(`${SEABIOS}/bios.bin`) ? null : 'v86 needs firmware: apt-get install seabios'),
};

export const qemuHost: Host = {
  name: 'qemu',
  command: (image, run) => [
    ...([
      'qemu-system-i386',
      '-accel',
      'tcg',
      '-m',
      String(MEMORY_MIB),
      '-nodefaults',
      '-no-reboot',
    ] as const),
    ...['-display', 'none', '-serial', 'stdio', '-kernel', image, '-append', run],
  ],
  missing: () =>
    spawnSync('qemu-system-i386', ['--version']).status === 0
      ? null
      : 'QEMU is not there: apt-get install qemu-system-x86',
};

/** This machine's own processor, the oracle for the results. */
export const nativeHost: Host = {
  name: 'native',
  command: (image, run) => [image, run],
  missing: () =>
    process.platform === 'linux' && process.arch === 'x64'
      ? null
      : 'this machine runs no i386 programs for Linux; the hosts are compared with each other only',
};
