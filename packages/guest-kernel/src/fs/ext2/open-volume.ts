/** Reads what is needed to mount a file system, after replaying its journal if there is something in it. */
import { E } from '../../abi/errno.ts';
import { EXT2_SUPER_MAGIC } from '../../abi/mount.ts';
import type { Op } from '../../task/wait.ts';
import type { DiskNode } from '../block/disks.ts';
import type { BlockDevice } from '../types.ts';
import { BlockCache } from './block-cache.ts';
import { EXT4_EXTENTS_FL } from './extent-node.ts';
import { FileMaps } from './file-map.ts';
import { Groups } from './groups.ts';
import { readInode } from './inode-record.ts';
import { Journal } from './journal/journal.ts';
import { SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Superblock } from './superblock.ts';
import { Volume, type VolumeParts } from './volume.ts';

type Wanted = Pick<VolumeParts, 'options' | 'pageCache' | 'now' | 'log'>;
type Loaded = Pick<VolumeParts, 'sb' | 'cache' | 'groups'>;

/** Errors: -EINVAL none of ours, or one that we cannot do; -EROFS, -EACCES not for writing; -EIO */
export function* openVolume(node: DiskNode, wanted: Wanted, readonly: boolean): Op<Volume | number> {
  const { device } = node;
  const { log, options } = wanted;
  let loaded = yield* load(device, log);
  if (typeof loaded === 'number') return loaded;
  const { unwritable } = loaded.sb;
  if (!readonly && device.readonly) return -E.ACCES;
  if (!readonly && unwritable !== 0) {
    log(`couldn't mount RDWR because of unsupported optional features (${unwritable.toString(16)})`);
    return -E.ROFS;
  }
  let journal: Journal | undefined;
  if (loaded.sb.hasJournal && !(options.noload && readonly)) {
    const found = yield* findJournal(device, loaded);
    const needed = loaded.sb.needsRecovery || !readonly;
    if (typeof found === 'object') journal = found;
    else if (needed) {
      log(`no usable journal: ${found}`);
      return typeof found === 'number' ? found : -E.INVAL;
    }
  }
  if (journal !== undefined && loaded.sb.needsRecovery) {
    const recovered = yield* recover(device, loaded, journal, log);
    if (recovered < 0) return recovered;
    loaded = yield* load(device, log);
    if (typeof loaded === 'number') return loaded;
  }
  const onlyReadable = unwritable !== 0 || device.readonly || (loaded.sb.hasJournal && journal === undefined);
  return new Volume({ ...wanted, ...loaded, node, journal, onlyReadable }, readonly);
}

function* load(device: BlockDevice, log: (text: string) => void): Op<Loaded | number> {
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  if (device.sectors * 512 < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) return -E.INVAL;
  if ((yield* device.read(SUPERBLOCK_OFFSET / 512, bytes)) < 0) return -E.IO;
  const problem = new Superblock(bytes).problem(device.sectors * 512);
  if (problem !== undefined) {
    if (new DataView(bytes.buffer).getUint16(56, true) === EXT2_SUPER_MAGIC) log(problem);
    return -E.INVAL;
  }
  const { blockBytes } = new Superblock(bytes);
  const cache = new BlockCache(device, blockBytes);
  const block = yield* cache.read(Math.floor(SUPERBLOCK_OFFSET / blockBytes));
  if (typeof block === 'number') return block;
  const at = SUPERBLOCK_OFFSET % blockBytes;
  const sb = new Superblock(block.bytes.subarray(at, at + SUPERBLOCK_BYTES));
  block.pinned = true;
  sb.block = block;
  const groups = yield* Groups.load(sb, cache);
  if (typeof groups !== 'number') return { sb, cache, groups };
  if (groups === -E.INVAL) log('group descriptors corrupted!');
  return groups;
}

/** @returns what is wrong with it, or -EIO */
function* findJournal(device: BlockDevice, { sb, cache, groups }: Loaded): Op<Journal | string | number> {
  const ino = sb.journalInode;
  if (ino < 1 || ino > sb.inodes) return 'it is on another device';
  const group = groups.all[Math.floor((ino - 1) / sb.inodesPerGroup)]!;
  const place = ((ino - 1) % sb.inodesPerGroup) * sb.inodeBytes;
  const block = yield* cache.read(group.inodeTable + Math.floor(place / sb.blockBytes));
  if (typeof block === 'number') return block;
  const at = place % sb.blockBytes;
  const fields = readInode(block.bytes.subarray(at, at + sb.inodeBytes), sb.blockBytes);
  const file = {
    size: fields.size,
    slots: fields.slots,
    hasExtents: (fields.flags & EXT4_EXTENTS_FL) !== 0,
    checksumSeed: sb.checksums.ofInode(ino, fields.generation),
    blockCount: 0,
    goal: 0,
  };
  return yield* Journal.open(device, sb, new FileMaps(sb, cache, groups), file);
}

function* recover(
  device: BlockDevice,
  { sb, cache }: Loaded,
  journal: Journal,
  log: (text: string) => void,
): Op<number> {
  if (device.readonly) {
    log('write access unavailable, cannot proceed (try mounting with noload)');
    return -E.ROFS;
  }
  const done = yield* journal.recover(cache, sb.blocks);
  if (typeof done === 'number') {
    log('error loading journal');
    return done;
  }
  log(`recovery complete: ${done.transactions} transactions, ${done.blocks} blocks`);
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  const read = yield* device.read(SUPERBLOCK_OFFSET / 512, bytes);
  if (read < 0) return read;
  const fresh = new Superblock(bytes);
  if (fresh.problem(device.sectors * 512) !== undefined) return -E.INVAL;
  fresh.needsRecovery = false;
  fresh.seal(new DataView(bytes.buffer).getUint32(48, true));
  const written = yield* device.write(SUPERBLOCK_OFFSET / 512, bytes);
  return written < 0 ? written : yield* device.flush();
}
