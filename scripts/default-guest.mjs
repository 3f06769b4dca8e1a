// The default guest: GRUB from Debian's grub-xen-host, a 32-bit PAE PV kernel, and a small disk for it to read.

import { existsSync, mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianFiles, debianTool, withFreshDir } from './debian.mjs';
import { cacheDir, UserError } from './workspace.mjs';

const grub = { package: 'grub-xen-host', kernel: 'usr/lib/grub-xen/grub-i386-xen.bin' };

/** Path of GRUB's PV kernel; fetched on first use. */
export function defaultKernel() {
  const options = { hint: 'the default guest, GRUB', architecture: 'amd64' };
  return join(debianFiles([grub.package], grub.kernel, options), grub.kernel);
}

const sectorBytes = 512;
const partitionStart = 2048;
const partitionSectors = 14 * 2048;

/** What hello.txt on the disk says. */
export const helloText = 'Hello from an ext2 file system on a Xen block device.';

function check(program, { error, status, stderr }) {
  if (error || status !== 0) throw new UserError(`${program} failed: ${error?.message ?? stderr.trim()}`);
}

/** Makes a disk image out of Debian's tools: a DOS partition table, one partition, ext2, hello.txt. */
export function makeDisk(image) {
  const sfdisk = debianTool('sbin/sfdisk', ['fdisk', 'libfdisk1', 'libreadline8']);
  const mke2fs = debianTool('sbin/mke2fs', ['e2fsprogs', 'libext2fs2', 'libcom-err2']);
  withFreshDir((dir) => {
    const files = join(dir, 'files');
    const unfinished = `${image}.unfinished`;
    mkdirSync(files);
    writeFileSync(join(files, 'hello.txt'), `${helloText}\n`);
    writeFileSync(unfinished, '');
    truncateSync(unfinished, (partitionStart + partitionSectors) * sectorBytes);
    const table = `label: dos\nstart=${partitionStart}, size=${partitionSectors}, type=83\n`;
    check('sfdisk', sfdisk(['--quiet', unfinished], { input: table }));
    const place = ['-E', `offset=${partitionStart * sectorBytes}`];
    const size = `${(partitionSectors * sectorBytes) / 1024}k`;
    check('mke2fs', mke2fs(['-q', '-F', '-t', 'ext2', '-d', files, ...place, unfinished, size]));
    renameSync(unfinished, image);
  });
}

/** Path of a disk to play with, kept from run to run. */
export function defaultDisk() {
  const disk = join(cacheDir, 'default-disk.img');
  if (!existsSync(disk)) makeDisk(disk);
  return disk;
}
