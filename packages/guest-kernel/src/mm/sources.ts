/** What regions are made of beside private zeros. */
import { E } from '../abi/errno.ts';
import { tellPath } from '../fs/pins.ts';
import type { FileHandle, Path } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import type { FileFrames, FrameCache } from './file-frames.ts';
import type { Frames } from './frames.ts';
import type { Ram } from './ram.ts';
import type { PageSource } from './vma.ts';

/** A file that is mapped, held as long as a region shows it. */
export class FileSource implements PageSource {
  readonly path: Path | undefined;
  readonly file: FileFrames;
  readonly #cache: FrameCache;
  readonly #root: Path;
  #users = 0;

  /** Preconditions: the handle has an inode with pages */
  constructor(cache: FrameCache, handle: FileHandle, file: FileFrames, root: Path) {
    this.#cache = cache;
    this.path = handle.path;
    this.file = file;
    this.#root = root;
  }

  get label(): string {
    if (this.path === undefined) return '';
    const { text, deleted } = tellPath(this.path, this.#root);
    return deleted ? `${text} (deleted)` : text;
  }

  get dev(): number {
    return this.file.inode.fs.dev;
  }

  get ino(): number {
    return this.file.inode.ino;
  }

  frame(index: number): Op<number> {
    return this.file.frame(index);
  }

  dirtied(index: number): void {
    this.file.dirtied(index);
  }

  collect(): void {
    this.file.collectAll();
  }

  *sync(): Op<number> {
    this.file.collectAll();
    return this.file.inode.sync === undefined ? 0 : yield* this.file.inode.sync(true);
  }

  hold(): void {
    this.file.users++;
    if (this.#users++ === 0) this.file.inode.hold();
  }

  drop(): void {
    this.#cache.release(this.file);
    if (--this.#users === 0) this.file.inode.drop();
  }
}

/** Memory that processes share: MAP_SHARED | MAP_ANONYMOUS. */
export class SharedZeros implements PageSource {
  readonly label: string = '/dev/zero (deleted)';
  readonly dev: number = 0;
  readonly ino: number = 0;
  readonly #frames: Frames;
  readonly #ram: Ram;
  readonly #pages: Map<number, number> = new Map();
  #users = 0;

  constructor(frames: Frames, ram: Ram) {
    this.#frames = frames;
    this.#ram = ram;
  }

  *frame(index: number): Op<number> {
    let frame = this.#pages.get(index);
    if (frame === undefined) {
      frame = this.#frames.alloc();
      if (frame < 0) return -E.NOMEM;
      this.#ram.zeroFrame(frame);
      this.#pages.set(index, frame);
    }
    this.#frames.get(frame);
    return frame;
  }

  dirtied(): void {}

  hold(): void {
    this.#users++;
  }

  drop(): void {
    if (--this.#users > 0) return;
    for (const frame of this.#pages.values()) this.#frames.put(frame);
    this.#pages.clear();
  }
}
