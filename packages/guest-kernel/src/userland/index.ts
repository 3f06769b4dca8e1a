/** The user space that comes with the kernel: one program under many names, and a root file system around it. */
import { BOX_BASE64 } from './box.ts';
import { type ArchiveMember, writeCpio } from './cpio-writer.ts';

export { type ArchiveMember, writeCpio } from './cpio-writer.ts';

const DIRECTORY = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;
const LINK = 0o120777;
const STICKY_DIRECTORY = 0o041777;

/** Names that the program answers to. */
export const TOOLS: readonly string[] = [
  ...['[', 'cat', 'clear', 'cp', 'date', 'dd', 'df', 'dmesg', 'du', 'echo', 'env', 'false', 'find', 'free'],
  ...['grep', 'head', 'help', 'hexdump', 'hostname', 'id', 'ifconfig', 'kill', 'ln', 'ls', 'mkdir', 'mount'],
  ...['mv', 'ping', 'poweroff', 'ps', 'pwd', 'reboot', 'rm', 'rmdir', 'sh', 'sleep', 'sort', 'sync', 'tail'],
  ...['tee', 'test', 'touch', 'true', 'umount', 'uname', 'uptime', 'wc', 'wget'],
];

const ISSUE = `
  domu: a Xen PV guest whose kernel is TypeScript. This shell is an i386 Linux program.
  "help" tells what to try; "poweroff" or ^] ends it.

`;

/** The program itself: an i386 ELF file. */
export function boxProgram(): Uint8Array {
  return Uint8Array.from(atob(BOX_BASE64), (c: string) => c.charCodeAt(0));
}

/** @returns an initramfs (cpio) with init, shell and tools */
export function userlandArchive(more: readonly ArchiveMember[] = []): Uint8Array {
  const encoder = new TextEncoder();
  const directory = (name: string, mode = DIRECTORY): ArchiveMember => ({ name, mode });
  const link = (name: string, to: string): ArchiveMember => ({ name, mode: LINK, data: encoder.encode(to) });
  const file = (name: string, text: string): ArchiveMember => ({
    name,
    mode: FILE,
    data: encoder.encode(text),
  });
  return writeCpio([
    ...['bin', 'dev', 'etc', 'mnt', 'proc', 'root', 'sys'].map((name) => directory(name)),
    directory('tmp', STICKY_DIRECTORY),
    { name: 'bin/box', mode: PROGRAM, data: boxProgram() },
    ...TOOLS.map((name) => link(`bin/${name}`, 'box')),
    link('init', 'bin/box'),
    file('etc/issue', ISSUE),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'),
    file('etc/group', 'root:x:0:\n'),
    file('etc/hosts', '127.0.0.1 localhost\n'),
    ...more,
  ]);
}
