/** Disks and their partitions as device nodes. Source: Linux block/ioctl.c; major 202 is xvd, 16 minors a disk. */
import { E } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY, SEEK_CUR } from '../../abi/fcntl.ts';
import {
  BLKBSZGET,
  BLKFLSBUF,
  BLKGETSIZE,
  BLKGETSIZE64,
  BLKPBSZGET,
  BLKRAGET,
  BLKROGET,
  BLKRRPART,
  BLKSSZGET,
  HDIO_GETGEO,
} from '../../abi/ioctl.ts';
import { majorOf, minorOf } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type { DeviceTable } from '../devices.ts';
import { BaseHandle } from '../file-handle.ts';
import { seekTo } from '../regular-file.ts';
import { type BlockDevice, type FileHandle, type Inode, PAGE_BYTES, type UserMemory } from '../types.ts';
import { FilePages, type PageCache, type PageStore } from './page-cache.ts';
import { readPartitions } from './partitions.ts';

/** Major number of Xen's disks. */
const XVD_MAJOR = 202;
const MINORS_PER_DISK = 16;

/** A window on a disk. */
class Slice implements BlockDevice {
  readonly sectors: number;
  readonly #disk: BlockDevice;
  readonly #start: number;

  constructor(disk: BlockDevice, start: number, sectors: number) {
    this.#disk = disk;
    this.#start = start;
    this.sectors = sectors;
  }

  get readonly(): boolean {
    return this.#disk.readonly;
  }

  read(sector: number, into: Uint8Array): Op<number> {
    return this.#disk.read(this.#start + sector, into);
  }

  write(sector: number, from: Uint8Array): Op<number> {
    return this.#disk.write(this.#start + sector, from);
  }

  flush(): Op<number> {
    return this.#disk.flush();
  }
}

/** A disk or partition, with what is cached of it. */
export class DiskNode implements PageStore {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  readonly device: BlockDevice;
  readonly start: number;
  readonly pages: FilePages;
  /** A mounted file system has it for itself. */
  mounted = false;

  constructor(
    name: string,
    numbers: { readonly major: number; readonly minor: number },
    device: BlockDevice,
    start: number,
    cache: PageCache,
  ) {
    this.name = name;
    this.major = numbers.major;
    this.minor = numbers.minor;
    this.device = device;
    this.start = start;
    this.pages = new FilePages(cache, this);
  }

  get sectors(): number {
    return this.device.sectors;
  }

  get bytes(): number {
    return this.device.sectors * 512;
  }

  *readPages(first: number, into: Uint8Array): Op<number> {
    const length = Math.min(into.length, this.bytes - first * PAGE_BYTES);
    into.fill(0, length);
    return yield* this.device.read(first * (PAGE_BYTES / 512), into.subarray(0, length));
  }

  *writePages(first: number, from: Uint8Array): Op<number> {
    const length = Math.min(from.length, this.bytes - first * PAGE_BYTES);
    return yield* this.device.write(first * (PAGE_BYTES / 512), from.subarray(0, length));
  }

  *sync(): Op<number> {
    const written = yield* this.pages.flush();
    const flushed = yield* this.device.flush();
    return written < 0 ? written : flushed;
  }
}

class DiskFile extends BaseHandle {
  readonly kind = 'block';
  readonly #node: DiskNode;
  readonly #disks: Disks;

  constructor(node: DiskNode, disks: Disks, inode: Inode, flags: number) {
    super(inode, flags);
    this.#node = node;
    this.#disks = disks;
  }

  override *read(into: Uint8Array, pos: number | undefined): Op<number> {
    const at = pos ?? this.pos;
    const count = yield* this.#node.pages.read(into, at, this.#node.bytes);
    if (pos === undefined && count > 0) this.pos = at + count;
    return count;
  }

  override *write(from: Uint8Array, pos: number | undefined): Op<number> {
    const at = pos ?? this.pos;
    const room = this.#node.bytes - at;
    if (room <= 0) return from.length === 0 ? 0 : -E.NOSPC;
    const count = yield* this.#node.pages.write(from.subarray(0, room), at, this.#node.bytes);
    if (pos === undefined && count > 0) this.pos = at + count;
    if (this.#disks.cache.isDirtyEnough) yield* this.#node.pages.flush();
    return count;
  }

  *seek(offset: number, whence: number): Op<number> {
    if (whence > SEEK_CUR + 1) return -E.INVAL;
    const target = seekTo(offset, whence, this.pos, this.#node.bytes);
    if (target > this.#node.bytes) return -E.INVAL;
    if (target >= 0) this.pos = target;
    return target;
  }

  sync(): Op<number> {
    return this.#node.sync();
  }

  page(index: number): Op<Uint8Array | number> {
    return this.#node.pages.page(index, Math.ceil(this.#node.bytes / PAGE_BYTES));
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory): Op<number> {
    const put32 = (value: number) => (user.write32(arg, value) ? 0 : -E.FAULT);
    const { device } = this.#node;
    switch (cmd) {
      case BLKGETSIZE:
        return put32(device.sectors);
      case BLKGETSIZE64: {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, BigInt(this.#node.bytes), true);
        return user.write(arg, bytes) ? 0 : -E.FAULT;
      }
      case BLKSSZGET:
      case BLKPBSZGET:
        return put32(512);
      case BLKBSZGET:
        return put32(4096);
      case BLKROGET:
        return put32(device.readonly ? 1 : 0);
      case BLKRAGET:
        return put32(256);
      case BLKFLSBUF:
        return yield* this.#node.sync();
      case BLKRRPART:
        yield* this.#node.sync();
        return yield* this.#disks.readPartitions(this.#node);
      case HDIO_GETGEO:
        return user.write(arg, geometry(this.#node)) ? 0 : -E.FAULT;
      default:
        return -E.NOTTY;
    }
  }
}

/** struct hd_geometry of i386: heads, sectors, cylinders, start. */
function geometry(node: DiskNode): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 255);
  view.setUint8(1, 63);
  view.setUint16(2, Math.min(65535, Math.floor(node.sectors / (255 * 63))), true);
  view.setUint32(4, node.start, true);
  return bytes;
}

/** All disks of the kernel. */
export class Disks {
  readonly cache: PageCache;
  readonly #nodes = new Map<string, DiskNode>();
  readonly #appeared: (name: string, major: number, minor: number) => void;
  readonly #vanished: (name: string) => void;

  /** @param appeared, vanished make and remove the nodes in /dev */
  constructor(
    devices: DeviceTable,
    cache: PageCache,
    appeared: (name: string, major: number, minor: number) => void,
    vanished: (name: string) => void,
  ) {
    this.cache = cache;
    this.#appeared = appeared;
    this.#vanished = vanished;
    const open = (inode: Inode, flags: number) => this.#open(inode, flags);
    devices.addBlock(XVD_MAJOR, 'any', open);
  }

  get entries(): readonly DiskNode[] {
    return [...this.#nodes.values()];
  }

  byName(name: string): DiskNode | undefined {
    return this.#nodes.get(name);
  }

  byNumber(dev: number): DiskNode | undefined {
    return this.entries.find(({ major, minor }) => major === majorOf(dev) && minor === minorOf(dev));
  }

  /** A disk appears: its node, then its partitions. @param name "xvda" and so on. @returns 0 or -EIO */
  *add(name: string, device: BlockDevice): Op<number> {
    const unit = name.charCodeAt(name.length - 1) - 0x61;
    const node = new DiskNode(
      name,
      { major: XVD_MAJOR, minor: unit * MINORS_PER_DISK },
      device,
      0,
      this.cache,
    );
    this.#show(node);
    return yield* this.readPartitions(node);
  }

  /** A disk is gone, with its partitions. */
  remove(name: string): void {
    for (const node of this.entries) {
      if (node.name !== name && !isPartitionOf(node, name)) continue;
      node.pages.clear();
      this.#nodes.delete(node.name);
      this.#vanished(node.name);
    }
  }

  /** BLKRRPART. @returns -EBUSY while one is mounted, -EINVAL for a partition */
  *readPartitions(disk: DiskNode): Op<number> {
    if (/\d$/.test(disk.name)) return -E.INVAL;
    const old = this.entries.filter((node) => isPartitionOf(node, disk.name));
    if (old.some(({ mounted }) => mounted)) return -E.BUSY;
    for (const node of old) {
      node.pages.clear();
      this.#nodes.delete(node.name);
      this.#vanished(node.name);
    }
    for (const { number, start, sectors } of yield* readPartitions(disk.device)) {
      if (number >= MINORS_PER_DISK) continue;
      const numbers = { major: disk.major, minor: disk.minor + number };
      const slice = new Slice(disk.device, start, sectors);
      this.#show(new DiskNode(`${disk.name}${number}`, numbers, slice, start, this.cache));
    }
    return 0;
  }

  *sync(): Op<number> {
    for (const node of this.entries) yield* node.sync();
    return 0;
  }

  #show(node: DiskNode): void {
    this.#nodes.set(node.name, node);
    this.#appeared(node.name, node.major, node.minor);
  }

  *#open(inode: Inode, flags: number): Op<FileHandle | number> {
    const node = this.byNumber(inode.rdev);
    if (node === undefined) return -E.NXIO;
    if ((flags & O_ACCMODE) !== O_RDONLY && node.device.readonly) return -E.ACCES;
    return new DiskFile(node, this, inode, flags);
  }
}

function isPartitionOf(node: DiskNode, disk: string): boolean {
  return node.name.startsWith(disk) && /^\d+$/.test(node.name.slice(disk.length));
}
