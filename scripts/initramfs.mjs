// An initramfs with Debian's static busybox for i386, as a cpio archive of the form that Linux unpacks.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { debianFiles } from './debian.mjs';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

const hex8 = (value) => (value >>> 0).toString(16).toUpperCase().padStart(8, '0');
const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

/** One member: "newc" header, name, data, each to a multiple of four. Source: Documentation/early-userspace/buffer-format.txt (Linux) */
function member(number, { name, mode, data = Buffer.alloc(0), device = [0, 0] }) {
  const text = Buffer.from(`${name}\0`);
  const fields = [number, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], text.length, 0];
  return Buffer.concat([
    padded(Buffer.concat([Buffer.from(`070701${fields.map(hex8).join('')}`), text])),
    padded(data),
  ]);
}

/** A cpio archive of members in order. */
export function cpio(members) {
  return Buffer.concat([...members, { name: 'TRAILER!!!', mode: 0 }].map((each, i) => member(i + 1, each)));
}

/** The path of a static busybox for i386; fetched on first use. */
export function staticBusybox() {
  const options = { hint: 'a static busybox for i386', architecture: 'i386' };
  return join(debianFiles(['busybox-static:i386'], 'bin/busybox', options), 'bin/busybox');
}

/**
 * @param busybox path of the program
 * @param init the shell script that runs as process 1; /bin has busybox's commands
 * @returns a compressed initramfs
 */
export function initramfs(busybox, init) {
  const commands =
    'sh mount cat echo grep uname nproc sleep seq sha256sum dd poweroff reboot sync wc ls wait'.split(' ');
  return gzipSync(
    cpio([
      ...['bin', 'dev', 'proc', 'sys', 'tmp', 'mnt'].map((name) => ({ name, mode: S_IFDIR | 0o755 })),
      { name: 'dev/console', mode: S_IFCHR | 0o600, device: [5, 1] },
      { name: 'dev/null', mode: S_IFCHR | 0o666, device: [1, 3] },
      { name: 'dev/zero', mode: S_IFCHR | 0o666, device: [1, 5] },
      { name: 'bin/busybox', mode: S_IFREG | 0o755, data: readFileSync(busybox) },
      ...commands.map((name) => ({
        name: `bin/${name}`,
        mode: S_IFLNK | 0o777,
        data: Buffer.from('busybox'),
      })),
      { name: 'init', mode: S_IFREG | 0o755, data: Buffer.from(`#!/bin/sh\n${init}\n`) },
    ]),
  );
}
