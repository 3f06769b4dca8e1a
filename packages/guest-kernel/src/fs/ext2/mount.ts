/** What mount -t ext2, ext3 and ext4 do. */
import { E } from '../../abi/errno.ts';
import { MS_NODEV } from '../../abi/mount.ts';
import { makeDev, S_IFBLK, S_IFMT } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type { Disks } from '../block/disks.ts';
import type { FileSystem } from '../types.ts';
import type { Vfs } from '../vfs.ts';
import { Walk } from '../walk.ts';
import { Ext2 } from './ext2.ts';
import { parseOptions } from './options.ts';

/** What a file system can do is in its superblock: the type is a name only. */
const TYPES = ['ext2', 'ext3', 'ext4'];

/** @param log gets lines for the kernel's log */
export function addExt2(vfs: Vfs, disks: Disks, log: (text: string) => void): void {
  for (const type of TYPES) {
    vfs.fileSystemTypes.set(type, {
      needsDevice: true,
      *mount(walker, source, data, readonly): Op<FileSystem | number> {
        const device = yield* new Walk(walker).find(walker.fs.cwd, source, true);
        if (typeof device === 'number') return device;
        const { inode, mount } = device;
        if ((inode.mode & S_IFMT) !== S_IFBLK) return -E.NOTBLK;
        if ((mount.flags & MS_NODEV) !== 0) return -E.ACCES;
        const node = disks.byNumber(inode.rdev);
        if (node === undefined) return -E.NXIO;
        const dev = makeDev(node.major, node.minor);
        const present = vfs.mounts.all.find(({ fs }) => fs.dev === dev);
        if (present !== undefined) return present.fs.readonly === readonly ? present.fs : -E.BUSY;
        const options = parseOptions(data);
        if (typeof options === 'string') {
          log(`EXT4-fs (${node.name}): Unrecognized mount option "${options}" or missing value`);
          return -E.INVAL;
        }
        const parts = { type, dev, cache: disks.cache, now: vfs.now, options, log };
        return yield* Ext2.mount(node, parts, readonly);
      },
    });
  }
}
