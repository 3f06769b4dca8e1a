// The default guest: GRUB from Debian's grub-xen-host, a 32-bit PAE PV kernel, and a small scratch disk for it to read.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheDir, UserError } from './workspace.mjs';

const debianPackage = 'grub-xen-host';
const guestDir = join(cacheDir, debianPackage);
const kernelInPackage = 'usr/lib/grub-xen/grub-i386-xen.bin';

// mke2fs lives in sbin, which is not on an ordinary user's path.
const env = { ...process.env, LC_ALL: 'C', PATH: [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter) };
const run = (command, args, cwd) => spawnSync(command, args, { cwd, env, encoding: 'utf8' });

/** A folder that becomes visible under its final name only when it is complete. */
function withFreshDir(action) {
  mkdirSync(cacheDir, { recursive: true });
  const dir = mkdtempSync(join(cacheDir, 'unfinished-'));
  try {
    return action(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** apt on package lists of our own: needs no root, changes nothing in the system, and works where no list was fetched yet. */
function downloadWithOwnLists(dir) {
  const state = join(dir, 'apt');
  for (const sub of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(state, sub), { recursive: true });
  const options = [
    `Dir::State::Lists=${state}/lists`,
    `Dir::Cache=${state}/cache`,
    'APT::Architecture=amd64',
    'APT::Architectures=amd64',
    // Otherwise a repository that cannot be reached is a warning, and the reason is lost.
    'APT::Update::Error-Mode=any',
  ];
  const asOptions = options.flatMap((option) => ['-o', option]);
  const update = run('apt-get', [...asOptions, 'update'], dir);
  return update.status === 0 ? run('apt-get', [...asOptions, 'download', debianPackage], dir) : update;
}

function fetchKernel(dir) {
  process.stderr.write(`domu: fetching the default guest (apt-get download ${debianPackage})\n`);
  let download = run('apt-get', ['download', debianPackage], dir);
  if (download.error) {
    throw new UserError(
      `apt-get is not there: the default guest is GRUB from the Debian package ${debianPackage}; on other systems give a kernel of your own: npx domu run KERNEL`,
    );
  }
  if (download.status !== 0) download = downloadWithOwnLists(dir);
  const archive = readdirSync(dir).find((name) => name.endsWith('.deb'));
  if (download.status !== 0 || !archive) {
    const reason =
      download.stderr.split('\n').find((line) => line.startsWith('E:')) ?? `exit code ${download.status}`;
    throw new UserError(`apt-get cannot download ${debianPackage} (offline?): ${reason}`);
  }
  const unpack = run('dpkg-deb', ['-x', archive, 'unpacked'], dir);
  if (unpack.error) throw new UserError(`dpkg-deb is not there; it is needed to unpack ${archive}`);
  if (unpack.status !== 0) throw new UserError(`dpkg-deb cannot unpack ${archive}: ${unpack.stderr.trim()}`);
  const unpacked = join(dir, 'unpacked');
  if (!existsSync(join(unpacked, kernelInPackage)))
    throw new UserError(`${archive} holds no ${kernelInPackage}`);
  rmSync(guestDir, { recursive: true, force: true });
  renameSync(unpacked, guestDir);
}

/** Path of GRUB's PV kernel; fetched on first use. */
export function defaultKernel() {
  const kernel = join(guestDir, kernelInPackage);
  if (!existsSync(kernel)) withFreshDir(fetchKernel);
  return kernel;
}

const sectorBytes = 512;
const partitionStart = 2048;
const partitionSectors = 14 * 2048;

/** A partition table with one Linux partition, as PC firmware defined it: entries at 446, signature at 510. */
function partitionTable() {
  const sector = Buffer.alloc(sectorBytes);
  const entry = 446;
  sector[entry + 4] = 0x83;
  sector.writeUInt32LE(partitionStart, entry + 8);
  sector.writeUInt32LE(partitionSectors, entry + 12);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

function makeDisk(dir, disk) {
  const files = join(dir, 'files');
  const image = join(dir, 'disk.img');
  mkdirSync(files);
  writeFileSync(join(files, 'hello.txt'), 'Hello from an ext2 file system on a Xen block device.\n');
  writeFileSync(image, '');
  const offset = `offset=${partitionStart * sectorBytes}`;
  const { status } = run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext2',
    '-d',
    files,
    '-E',
    offset,
    image,
    `${partitionSectors / 2}k`,
  ]);
  if (status !== 0) return undefined;
  const fd = openSync(image, 'r+');
  writeSync(fd, partitionTable(), 0, sectorBytes, 0);
  closeSync(fd);
  renameSync(image, disk);
  return disk;
}

/** Path of a scratch disk (one partition, ext2, hello.txt), or undefined where there is no mke2fs: GRUB boots without a disk. */
export function defaultDisk() {
  const disk = join(cacheDir, 'default-disk.img');
  return existsSync(disk) ? disk : withFreshDir((dir) => makeDisk(dir, disk));
}
