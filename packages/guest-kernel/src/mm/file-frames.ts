/** Pages of files in frames: what mappings of a file share, and what reads and writes of it must agree with. */
import { E } from '../abi/errno.ts';
import { PAGE_SIZE } from '../boot/layout.ts';
import type { Inode, SharedMapping } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import type { AddressSpace } from './address-space.ts';
import type { Frames } from './frames.ts';
import { frameVa, type Ram } from './ram.ts';

/** The frames that hold pages of one inode. One object per inode, on `inode.sharedMapping`. */
export class FileFrames implements SharedMapping {
  readonly inode: Inode;
  /** Regions that map the inode. */
  users = 0;
  readonly #cache: FrameCache;
  /** Frame of each page that is in memory; held once by this object. */
  readonly #frames: Map<number, number> = new Map();
  /** Pages that a shared mapping may write to. */
  readonly #dirty: Set<number> = new Set();

  constructor(cache: FrameCache, inode: Inode) {
    this.#cache = cache;
    this.inode = inode;
  }

  /** The frame of a page, with one holder more for the caller. */
  *frame(index: number): Op<number> {
    const { frames, ram } = this.#cache;
    const known = this.#frames.get(index);
    if (known !== undefined) {
      frames.get(known);
      return known;
    }
    if (this.inode.page === undefined) return -E.NODEV;
    const bytes = yield* this.inode.page(index);
    if (typeof bytes === 'number') return bytes;
    const meanwhile = this.#frames.get(index);
    if (meanwhile !== undefined) {
      frames.get(meanwhile);
      return meanwhile;
    }
    const frame = frames.alloc();
    if (frame < 0) return -E.NOMEM;
    ram.fillFrame(frame, bytes);
    frames.get(frame);
    this.#frames.set(index, frame);
    return frame;
  }

  dirtied(index: number): void {
    this.#dirty.add(index);
  }

  /** What mappings have written goes to the inode's pages. */
  collect(first: number, last: number): void {
    for (const index of this.#dirty) if (index >= first && index <= last) this.#writeBack(index);
  }

  /** Everything that mappings have written goes to the inode. */
  collectAll(): void {
    this.collect(0, Number.POSITIVE_INFINITY);
  }

  changed(first: number, last: number): void {
    const end = Math.ceil(this.inode.size / PAGE_SIZE);
    if (last >= end && this.users > 0) this.#cache.unmapPages(this, Math.max(first, end), last);
    for (const [index, frame] of this.#frames) {
      if (index < first || index > last) continue;
      if (this.#cache.frames.references(frame) === 1) this.#forget(index, frame);
      else this.#refresh(index, frame);
    }
  }

  /** Gives back what nobody maps. @returns how many frames */
  shrink(): number {
    let freed = 0;
    for (const [index, frame] of this.#frames) {
      if (this.#cache.frames.references(frame) > 1) continue;
      if (this.#dirty.has(index)) this.#writeBack(index);
      this.#forget(index, frame);
      freed++;
    }
    return freed;
  }

  #forget(index: number, frame: number): void {
    this.#frames.delete(index);
    this.#dirty.delete(index);
    this.#cache.frames.put(frame);
  }

  /** Mapped pages show what was written by write(2), and zeros where the file was cut. */
  #refresh(index: number, frame: number): void {
    const step = this.inode.page?.(index).next('event');
    if (step?.done && typeof step.value !== 'number') this.#cache.ram.fillFrame(frame, step.value);
    else this.#cache.ram.zeroFrame(frame);
  }

  #writeBack(index: number): void {
    const frame = this.#frames.get(index);
    const length = Math.min(PAGE_SIZE, this.inode.size - index * PAGE_SIZE);
    if (frame === undefined || length <= 0 || this.inode.writeMapped === undefined) return;
    const bytes = new Uint8Array(length);
    this.#cache.ram.read(frameVa(frame), bytes);
    this.inode.writeMapped(index, bytes);
  }
}

/** All inodes whose pages are in frames. */
export class FrameCache {
  readonly frames: Frames;
  readonly ram: Ram;
  readonly #files: Set<FileFrames> = new Set();
  readonly #spaces: () => Iterable<AddressSpace>;

  /** @param spaces all address spaces, each once */
  constructor(frames: Frames, ram: Ram, spaces: () => Iterable<AddressSpace>) {
    this.#spaces = spaces;
    this.frames = frames;
    this.ram = ram;
  }

  /** Frames held by files at present. */
  of(inode: Inode): FileFrames {
    const known = inode.sharedMapping;
    if (known instanceof FileFrames) return known;
    const made = new FileFrames(this, inode);
    inode.sharedMapping = made;
    this.#files.add(made);
    return made;
  }

  /** Pages first..last are behind the end of the file now: whoever touches them gets SIGBUS, private copies or not. */
  unmapPages(file: FileFrames, first: number, last: number): void {
    for (const space of this.#spaces()) {
      for (const vma of space.vmas) {
        if (vma.source?.file !== file) continue;
        const at = (page: number) => vma.start + (page - vma.firstPage) * PAGE_SIZE;
        const [from, to] = [Math.max(vma.start, at(first)), Math.min(vma.end, at(last + 1))];
        if (from < to) space.dropPages(from, to);
      }
    }
  }

  /** A region less maps the file; the pages of a deleted one are given back at once. */
  release(file: FileFrames): void {
    file.users--;
    if (file.users > 0) return;
    file.collectAll();
    if (file.inode.nlink > 0) return;
    file.shrink();
    this.#files.delete(file);
    file.inode.sharedMapping = undefined;
  }

  /** Memory is short: gives back every frame that nobody maps. @returns whether there was one */
  shrink(): boolean {
    let freed = 0;
    for (const file of this.#files) {
      freed += file.shrink();
      if (file.users > 0) continue;
      this.#files.delete(file);
      file.inode.sharedMapping = undefined;
    }
    return freed > 0;
  }
}
