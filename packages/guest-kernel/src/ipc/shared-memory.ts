/** Segments of shmget. Source: shmget(2), shmat(2), shmctl(2), linux ipc/shm.c. */
import { E } from '../abi/errno.ts';
import { SHM_DEST, SHM_LOCKED, SHMMIN } from '../abi/ipc.ts';
import { PAGE_SIZE } from '../boot/layout.ts';
import type { Credentials } from '../fs/types.ts';
import type { MemoryParts } from '../mm/address-space.ts';
import type { PageSource } from '../mm/vma.ts';
import type { Op } from '../task/wait.ts';
import { type IpcBirth, IpcIds, IpcObject } from './ids.ts';

/** What shared memory knows of the rest. */
export interface IpcHost {
  /** Nanoseconds since 1970. */
  now(): bigint;
  /** The process that is worked for, 0 for none. */
  currentPid(): number;
}

/** One segment: its pages come into being when they are touched, and stay until it goes. */
export class Segment extends IpcObject implements PageSource {
  readonly sizeBytes: number;
  readonly dev: number = 1;
  readonly label: string;
  readonly creatorPid: number;
  lastPid = 0;
  attachTime = 0n;
  detachTime = 0n;
  /** Regions that show it. */
  attached = 0;
  locked = false;
  /** Goes with its last region. */
  doomed = false;
  readonly #memory: SharedMemory;
  readonly #pages: Map<number, number> = new Map();

  constructor(memory: SharedMemory, birth: IpcBirth, sizeBytes: number) {
    super(birth);
    this.#memory = memory;
    this.sizeBytes = sizeBytes;
    this.label = `/SYSV${(birth.key >>> 0).toString(16).padStart(8, '0')} (deleted)`;
    this.creatorPid = memory.host.currentPid();
  }

  get ino(): number {
    return this.id;
  }

  override get mode(): number {
    return this.permissions | (this.doomed ? SHM_DEST : 0) | (this.locked ? SHM_LOCKED : 0);
  }

  get residentBytes(): number {
    return this.#pages.size * PAGE_SIZE;
  }

  get nrPages(): number {
    return Math.ceil(this.sizeBytes / PAGE_SIZE);
  }

  *frame(index: number): Op<number> {
    if (index < 0 || index >= this.nrPages) return -E.NXIO;
    const { frames, ram } = this.#memory.parts;
    let frame = this.#pages.get(index);
    if (frame === undefined) {
      frame = frames.alloc();
      if (frame < 0) return -E.NOMEM;
      ram.zeroFrame(frame);
      this.#pages.set(index, frame);
    }
    frames.get(frame);
    return frame;
  }

  dirtied(): void {}

  hold(): void {
    this.attached++;
    this.attachTime = this.#memory.host.now();
    this.lastPid = this.#memory.host.currentPid();
  }

  drop(): void {
    this.attached--;
    this.detachTime = this.#memory.host.now();
    this.lastPid = this.#memory.host.currentPid();
    if (this.doomed && this.attached === 0) this.#memory.destroy(this);
  }

  /** Gives its pages back. Preconditions: no region shows it */
  release(): void {
    for (const frame of this.#pages.values()) this.#memory.parts.frames.put(frame);
    this.#pages.clear();
  }
}

export class SharedMemory {
  readonly ids: IpcIds<Segment> = new IpcIds();
  readonly host: IpcHost;
  readonly parts: MemoryParts;
  /** Largest segment in bytes, all segments in pages, and their number. */
  readonly limits: { shmmax: number; shmall: number; shmmni: number };
  #pages = 0;

  constructor(host: IpcHost, parts: MemoryParts) {
    this.host = host;
    this.parts = parts;
    // Segments outlive their makers, so that nobody can be ended to get the memory back: they have half of it.
    this.limits = { shmmax: 0xfeff_ffff, shmall: parts.frames.total >>> 1, shmmni: 4096 };
  }

  /** Pages of all segments, touched or not. */
  get totalPages(): number {
    return this.#pages;
  }

  get(key: number, size: number, flags: number, cred: Credentials): number {
    return this.ids.get({
      ...{ key, flags, cred, now: this.host.now(), max: this.limits.shmmni },
      make: (birth) => {
        if (size < SHMMIN || size > this.limits.shmmax) return -E.INVAL;
        const pages = Math.ceil(size / PAGE_SIZE);
        if (this.#pages + pages > this.limits.shmall) return -E.NOSPC;
        this.#pages += pages;
        return new Segment(this, birth, size);
      },
      accept: (segment) => (size > segment.sizeBytes ? -E.INVAL : 0),
    });
  }

  /** IPC_RMID: at once, or with the last region. */
  remove(segment: Segment): void {
    this.ids.forgetKey(segment);
    if (segment.attached === 0) return this.destroy(segment);
    segment.doomed = true;
  }

  destroy(segment: Segment): void {
    this.ids.remove(segment);
    this.#pages -= segment.nrPages;
    segment.release();
  }
}
