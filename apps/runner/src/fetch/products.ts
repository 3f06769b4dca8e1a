import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../user-error.ts';
import type { Archive } from './apt.ts';
import type { Fetchable } from './command.ts';
import { runTool } from './tools.ts';

/** How something is made of Debian packages. */
export interface Recipe {
  readonly packages: readonly string[];
  readonly architecture: string;
  /** What the user is told of: relative to the product's folder. */
  readonly result: string;
  /** Changes when what is made of the same packages changes. */
  readonly version: number;
  /** Makes the product in an empty folder. */
  make(archives: readonly Archive[], folder: string, signal: AbortSignal): Promise<void>;
}

const GRUB = 'usr/lib/grub-xen/grub-i386-xen.bin';

/** Process 1 of both root file systems: a shell, then the end of the machine. */
const INIT = (shell: string, more: string): string => `#!${shell}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=\${TERM:-linux}
cd /root
${more}
`;

/** What update-alternatives would choose. */
const ALTERNATIVES: Readonly<Record<string, string>> = {
  awk: 'mawk',
  vi: 'vim.tiny',
  pager: 'less',
  nc: 'nc.openbsd',
};
const FOLDERS = [
  'dev',
  'proc',
  'sys',
  'tmp',
  'run',
  'root',
  'etc',
  'mnt',
  'var/tmp',
  'usr/bin',
  'usr/sbin',
  'usr/lib',
];
/** Bookworm's directories of programs and libraries are links; its packages still use the old names. */
const MERGED = ['bin', 'sbin', 'lib'];
const FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'debian\n',
  'etc/hosts': '127.0.0.1 localhost debian\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'etc/shells': '/bin/sh\n/bin/bash\n',
};
/** Room for what programs write, and for the file system's own tables. */
const SPARE_KIB = 128 * 1024;

/** @param more packages that the user wants in a root file system */
export function recipeOf(what: Fetchable, more: readonly string[]): Recipe {
  if (more.length > 0 && what !== 'debian-rootfs')
    throw new UserError(`--packages: ${what} is made of packages of its own; expected debian-rootfs`);
  switch (what) {
    case 'grub':
      return {
        packages: ['grub-xen-host'],
        architecture: 'amd64',
        result: GRUB,
        version: 1,
        make: async (archives, folder, signal) => {
          await unpack('grub-xen-host', archives, { folder, signal });
          expectFile(folder, GRUB);
        },
      };
    case 'busybox':
      return {
        packages: ['busybox-static'],
        architecture: 'i386',
        result: '.',
        version: 1,
        make: async (archives, folder, signal) => {
          await unpack('busybox-static', archives, { folder, signal });
          finishBusybox(folder);
        },
      };
    case 'debian-rootfs':
      return {
        packages: ['?essential', 'mount', 'procps', ...more.map(packageName)],
        architecture: 'i386',
        result: 'debian.img',
        version: 1,
        make: async (archives, folder, signal) => {
          const tree = join(folder, 'tree');
          await unpackTree(archives, tree, signal);
          finishDebian(tree);
          await makeImage(tree, join(folder, 'debian.img'), signal);
          rmSync(tree, { recursive: true, force: true });
        },
      };
  }
}

/** Nothing else may reach apt's command line. */
function packageName(name: string): string {
  if (/^[a-z0-9][a-z0-9+.-]+$/.test(name)) return name;
  throw new UserError(
    `--packages: ${JSON.stringify(name)} is no name of a package; expected names such as procps`,
  );
}

/** Unpacks one of the packages, without what it depends on. */
async function unpack(
  wanted: string,
  archives: readonly Archive[],
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<void> {
  for (const { path } of archives.filter(({ name }) => name.startsWith(`${wanted}_`))) {
    const { status, stderr } = await runTool('dpkg-deb', ['-x', path, folder], { signal });
    if (status !== 0)
      throw new UserError(`dpkg-deb cannot unpack ${path}: ${stderr.trim()}; remove it and try again`);
  }
}

/** dpkg-deb -x would put a directory in the place of a link. */
async function unpackTree(archives: readonly Archive[], tree: string, signal: AbortSignal): Promise<void> {
  for (const folder of FOLDERS) mkdirSync(join(tree, folder), { recursive: true });
  for (const name of MERGED) symlinkSync(`usr/${name}`, join(tree, name));
  const command =
    'dpkg-deb --fsys-tarfile "$1" | tar -x -f - -C "$2" --keep-directory-symlink --no-same-owner';
  for (const { path } of archives) {
    const { status, stderr } = await runTool('sh', ['-c', command, 'sh', path, tree], { signal });
    if (status !== 0)
      throw new UserError(`${path} cannot be unpacked: ${stderr.trim()}; remove it and try again`);
  }
}

function finishBusybox(root: string): void {
  expectFile(root, 'bin/busybox');
  for (const folder of ['dev', 'proc', 'sys', 'tmp', 'root', 'etc', 'mnt', 'sbin', 'usr/bin', 'usr/sbin'])
    mkdirSync(join(root, folder), { recursive: true });
  rmSync(join(root, 'usr/share'), { recursive: true, force: true });
  symlinkSync('busybox', join(root, 'bin/sh'));
  const steps = '/bin/busybox --install -s\nmount -t proc proc /proc\nsetsid -c sh -l\npoweroff -f';
  const init = INIT('/bin/busybox sh', steps);
  writeFileSync(join(root, 'init'), init, { mode: 0o755 });
  writeFileSync(join(root, 'etc/passwd'), 'root::0:0:root:/root:/bin/sh\n');
}

/** What the packages' own scripts would have done. */
function finishDebian(tree: string): void {
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(tree, name), text);
  const bin = join(tree, 'usr/bin');
  for (const [name, target] of Object.entries(ALTERNATIVES))
    if (!isThere(join(bin, name)) && isThere(join(bin, target))) symlinkSync(target, join(bin, name));
  for (const name of ['passwd', 'group']) {
    const master = join(tree, `usr/share/base-passwd/${name}.master`);
    // Without a password: whoever can type at the console owns the machine anyway.
    const text = existsSync(master)
      ? readFileSync(master, 'utf8').replace(/^root:\*:/, 'root::')
      : 'root::0:0::/root:/bin/sh\n';
    writeFileSync(join(tree, 'etc', name), text);
  }
  const steps = [
    'mount -t proc proc /proc',
    'mkdir -p /dev/pts /dev/shm',
    'mount -t devpts devpts /dev/pts',
    'for dir in /tmp /run; do mount -t tmpfs tmpfs $dir; done',
    'hostname debian',
    'setsid -c -w bash -l',
    'sync',
    // Packages that could do it bring all of systemd. reboot(LINUX_REBOOT_CMD_POWER_OFF)
    "perl -e 'syscall(88, 0xfee1dead, 672274793, 0x4321fedc)'",
  ];
  const init = join(tree, 'usr/sbin/init');
  rmSync(init, { force: true });
  writeFileSync(init, INIT('/bin/sh', steps.join('\n')), { mode: 0o755 });
  for (const name of ['tmp', 'var/tmp']) chmodSync(join(tree, name), 0o1777);
  for (const name of ['usr/share/man', 'usr/share/doc', 'usr/share/locale', 'usr/share/info'])
    rmSync(join(tree, name), { recursive: true, force: true });
}

async function makeImage(tree: string, image: string, signal: AbortSignal): Promise<void> {
  const size = await runTool('du', ['-sk', tree], { signal });
  const kib = Math.ceil(Number.parseInt(size.stdout, 10) * 1.1) + SPARE_KIB;
  const args = ['-q', '-F', '-t', 'ext2', '-b', '4096', '-E', 'root_owner=0:0', '-d', tree, image, `${kib}k`];
  // In a namespace where we are root, the files are root's.
  const asRoot =
    process.getuid?.() !== 0 &&
    (await runTool('unshare', ['-r', 'true'], { signal }).catch(() => null))?.status === 0;
  const made = asRoot
    ? await runTool('unshare', ['-r', 'mke2fs', ...args], { signal })
    : await runTool('mke2fs', args, { signal });
  if (made.status !== 0)
    throw new UserError(
      `mke2fs: ${made.stderr.trim()}; see whether there is room for ${Math.ceil(kib / 1024)} MiB`,
    );
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function expectFile(folder: string, name: string): void {
  if (!existsSync(join(folder, name)))
    throw new UserError(`the Debian package holds no ${name}; it has changed, so please report it`);
}
