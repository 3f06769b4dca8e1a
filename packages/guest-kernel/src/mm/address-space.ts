/** A process's memory: its regions, its page tables, and what happens when a page is missing. */
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@domu/xen-abi';
import { PAGE_SHIFT, PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { Inode } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import type { Frames } from './frames.ts';
import { FIRST_KERNEL_SLOT, L2_SHIFT, type Mmu, TABLE_ENTRIES, TABLE_FLAGS } from './mmu.ts';
import { frameVa, type Ram } from './ram.ts';
import { PROT_WRITE, type Vma } from './vma.ts';
import { VmaList } from './vma-list.ts';

/** What became of a page fault. */
export const FAULT_OK = 0;
/** No region there. */
export const FAULT_MAPERR = 1;
/** The region does not allow it. */
export const FAULT_ACCERR = 2;
/** Behind the end of the file, or it could not be read. */
export const FAULT_BUS = 3;
/** No memory. */
export const FAULT_OOM = 4;

const USER_PAGE: number = _PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED;

/** What all address spaces are made with. */
export interface MemoryParts {
  readonly ram: Ram;
  readonly frames: Frames;
  readonly mmu: Mmu;
}

/** As far below its first place a stack may grow, unless a limit says otherwise. */
const STACK_LIMIT = 8 << 20;
/** Distance that a growing stack keeps from what lies below. */
const STACK_GAP = 256 * PAGE_SIZE;

export class AddressSpace {
  readonly vmas: VmaList = new VmaList();
  /** The heap of brk. */
  brkStart = 0;
  brk = 0;
  /** Bytes that the stack may have (RLIMIT_STACK). */
  stackLimit: number = STACK_LIMIT;
  /** Where the stack began, for its limit; 0 before exec. */
  stackTop = 0;
  /** Argument and environment strings, for /proc. */
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** Pages in memory. */
  residentPages = 0;
  /** Threads and vfork children that run in it. */
  users = 1;
  /** Frame of the root table. */
  readonly root: number;
  readonly #parts: MemoryParts;
  /** Frames of the user's tables by slot, 0: none. */
  readonly #tables: Uint32Array = new Uint32Array(FIRST_KERNEL_SLOT);
  #program: Inode | null = null;

  private constructor(parts: MemoryParts, root: number) {
    this.#parts = parts;
    this.root = root;
  }

  /** @returns an empty address space, or null without memory */
  static create(parts: MemoryParts): AddressSpace | null {
    const root = parts.mmu.newRoot();
    return root < 0 ? null : new AddressSpace(parts, root);
  }

  get isCurrent(): boolean {
    return this.#parts.mmu.current === this.root;
  }

  /** Total bytes of all regions. */
  get mappedBytes(): number {
    let bytes = 0;
    for (const vma of this.vmas) bytes += vma.end - vma.start;
    return bytes;
  }

  /**
   * Makes the page at `va` accessible, if its region allows the access.
   * @returns a FAULT_ number
   */
  *fault(va: number, write: boolean): Op<number> {
    const vma = this.vmas.find(va) ?? this.#growStack(va);
    if (vma === null) return FAULT_MAPERR;
    if (write ? !(vma.prot & PROT_WRITE) : vma.prot === 0) return FAULT_ACCERR;
    const page = va - (va % PAGE_SIZE);
    const entry = this.entry(page);
    if (entry & _PAGE_PRESENT) return write ? this.#writePresent(vma, page, entry) : FAULT_OK;
    const { source } = vma;
    if (source === null) return this.#mapZeros(vma, page);
    const frame = yield* source.frame(vma.firstPage + (page - vma.start) / PAGE_SIZE);
    if (frame < 0) return frame === -12 ? FAULT_OOM : FAULT_BUS;
    // While it slept another thread may have changed the region or brought the page in: the access is tried again.
    if (this.vmas.find(va) !== vma || this.entry(page) & _PAGE_PRESENT) {
      this.#parts.frames.put(frame);
      return FAULT_OK;
    }
    return this.#mapSourced(vma, page, frame, write);
  }

  #mapZeros(vma: Vma, page: number): number {
    const { frames, ram } = this.#parts;
    const frame = frames.alloc();
    if (frame < 0) return FAULT_OOM;
    ram.zeroFrame(frame);
    return this.#put(page, frame, (vma.prot & PROT_WRITE) !== 0);
  }

  /** Takes over the hold on `frame`. */
  #mapSourced(vma: Vma, page: number, frame: number, write: boolean): number {
    if (!write) return this.#put(page, frame, false);
    if (!vma.shared) {
      const copy = this.#copyOf(frame);
      return copy < 0 ? FAULT_OOM : this.#put(page, copy, true);
    }
    vma.source?.dirtied(vma.firstPage + (page - vma.start) / PAGE_SIZE);
    return this.#put(page, frame, true);
  }

  /** A write to a page that is mapped read-only: the first to a shared page, or to one that others hold as well. */
  #writePresent(vma: Vma, page: number, entry: number): number {
    if (entry & _PAGE_RW) return FAULT_OK;
    const frame = entry >>> PAGE_SHIFT;
    if (vma.shared) {
      vma.source?.dirtied(vma.firstPage + (page - vma.start) / PAGE_SIZE);
    } else if (this.#parts.frames.references(frame) > 1) {
      const copy = this.#copyOf(frame);
      if (copy < 0) return FAULT_OOM;
      this.#setEntry(page, ((copy << PAGE_SHIFT) | USER_PAGE | _PAGE_RW) >>> 0);
      this.#forget(page);
      return FAULT_OK;
    }
    this.#setEntry(page, (entry | _PAGE_RW) >>> 0);
    this.#forget(page);
    return FAULT_OK;
  }

  /** Replaces a hold on `frame` by a copy. @returns the copy, or -1; the hold is gone either way */
  #copyOf(frame: number): number {
    const { frames, ram } = this.#parts;
    const copy = frames.alloc();
    if (copy >= 0) {
      ram.copyFrame(copy, frame);
      frames.put(frame);
    }
    return copy;
  }

  #put(page: number, frame: number, writable: boolean): number {
    const table = this.#tableOf(page);
    if (table < 0) {
      this.#parts.frames.put(frame);
      return FAULT_OOM;
    }
    const entry = ((frame << PAGE_SHIFT) | USER_PAGE | (writable ? _PAGE_RW | _PAGE_DIRTY : 0)) >>> 0;
    this.#parts.ram.write32(frameVa(table) + 4 * ((page >>> PAGE_SHIFT) & 1023), entry);
    this.residentPages++;
    return FAULT_OK;
  }

  #growStack(va: number): Vma | null {
    const vma = this.vmas.findAfter(va);
    if (vma === null || !vma.growsDown || va < this.stackTop - this.stackLimit) return null;
    const start = va - (va % PAGE_SIZE);
    if (!this.vmas.isFree(Math.max(0, start - STACK_GAP), vma.start)) return null;
    vma.start = start;
    return vma;
  }

  /** @returns the page-table entry of a page, 0 if it has none */
  entry(va: number): number {
    const table = this.#tables[va >>> L2_SHIFT];
    return table === 0 ? 0 : this.#parts.ram.read32(frameVa(table) + 4 * ((va >>> PAGE_SHIFT) & 1023));
  }

  /** Preconditions: the table exists */
  #setEntry(va: number, entry: number): void {
    const table = this.#tables[va >>> L2_SHIFT];
    this.#parts.ram.write32(frameVa(table) + 4 * ((va >>> PAGE_SHIFT) & 1023), entry);
  }

  #forget(va: number): void {
    if (this.isCurrent) this.#parts.mmu.flushPage(va);
  }

  #tableOf(va: number): number {
    const slot = va >>> L2_SHIFT;
    if (this.#tables[slot] !== 0) return this.#tables[slot];
    const { frames, ram } = this.#parts;
    const table = frames.alloc();
    if (table < 0) return -1;
    ram.zeroFrame(table);
    ram.write32(frameVa(this.root) + 4 * slot, ((table << PAGE_SHIFT) | TABLE_FLAGS) >>> 0);
    this.#tables[slot] = table;
    return table;
  }

  /**
   * Goes through the present entries of [start, end), a table at a time.
   * @param change gets an entry and its address; @returns what it becomes
   */
  #eachPresent(start: number, end: number, change: (entry: number, va: number) => number): boolean {
    const { ram } = this.#parts;
    let changed = false;
    const words = new Uint32Array(TABLE_ENTRIES);
    const bytes = new Uint8Array(words.buffer);
    for (let va = start; va < end; ) {
      const slot = va >>> L2_SHIFT;
      const next = Math.min(end, (slot + 1) * 2 ** L2_SHIFT);
      const table = this.#tables[slot];
      if (table !== 0) {
        const first = (va >>> PAGE_SHIFT) & 1023;
        const count = (next - va) / PAGE_SIZE;
        const part = bytes.subarray(4 * first, 4 * (first + count));
        ram.read(frameVa(table) + 4 * first, part);
        let dirty = false;
        for (let i = 0; i < count; i++) {
          const entry = words[first + i];
          if ((entry & _PAGE_PRESENT) === 0) continue;
          const becomes = change(entry, va + i * PAGE_SIZE) >>> 0;
          if (becomes === entry) continue;
          words[first + i] = becomes;
          dirty = true;
        }
        if (dirty) ram.write(frameVa(table) + 4 * first, part);
        changed ||= dirty;
      }
      va = next;
    }
    return changed;
  }

  /** @returns bytes of [start, end) that are in memory, by whether others hold them too */
  usage(start: number, end: number): { private: number; shared: number; proportional: number } {
    const { frames } = this.#parts;
    const usage = { private: 0, shared: 0, proportional: 0 };
    this.#eachPresent(start, end, (entry) => {
      const holders = frames.references(entry >>> PAGE_SHIFT);
      usage[holders > 1 ? 'shared' : 'private'] += PAGE_SIZE;
      if (holders > 1) usage.proportional += PAGE_SIZE / holders;
      return entry;
    });
    return usage;
  }

  /** Removes regions and pages of [start, end). */
  unmap(start: number, end: number): void {
    const removed = this.vmas.remove(start, end);
    for (const vma of removed) this.dropPages(vma.start, vma.end);
    for (const vma of removed) vma.source?.drop();
  }

  /** Gives the pages of [start, end) back; the next access brings them in anew. */
  dropPages(start: number, end: number): void {
    const { frames, mmu } = this.#parts;
    const changed = this.#eachPresent(start, end, (entry) => {
      frames.put(entry >>> PAGE_SHIFT);
      this.residentPages--;
      return 0;
    });
    if (changed && this.isCurrent) mmu.flush();
  }

  /**
   * Moves [from, from + before) with its pages to `to`, where it becomes `after` bytes long; what was there is gone.
   * @returns false without memory, with everything as it was
   */
  move(from: number, before: number, to: number, after: number): boolean {
    const vma = this.vmas.find(from);
    if (vma === null) return false;
    const moved = Math.min(before, after);
    for (let at = 0; at < moved; at += 2 ** L2_SHIFT) if (this.#tableOf(to + at) < 0) return false;
    if (moved > 0 && this.#tableOf(to + moved - PAGE_SIZE) < 0) return false;
    const copy = { ...vma, start: to, end: to + after };
    copy.firstPage = vma.firstPage + (from - vma.start) / PAGE_SIZE;
    vma.source?.hold();
    this.unmap(to, to + after);
    const entries: [number, number][] = [];
    this.#eachPresent(from, from + moved, (entry, va) => {
      entries.push([va - from, entry]);
      return 0;
    });
    for (const [offset, entry] of entries) this.#setEntry(to + offset, entry);
    this.unmap(from, from + before);
    this.vmas.insert(copy);
    if (this.isCurrent) this.#parts.mmu.flush();
    return true;
  }

  /** Sets the protection of what is mapped in [start, end). Preconditions: no gaps */
  protect(start: number, end: number, prot: number): void {
    for (const vma of this.vmas.isolate(start, end)) vma.prot = prot;
    // Pages lose the right to be written now and get it back when they are written to.
    const user = prot === 0 ? 0 : _PAGE_USER;
    const changed = this.#eachPresent(start, end, (entry) => (entry & ~_PAGE_RW & ~_PAGE_USER) | user);
    if (changed && this.isCurrent) this.#parts.mmu.flush();
  }

  /** The program that runs in it: nobody may open that for writing from now on. */
  execute(inode: Inode): void {
    inode.hold();
    inode.executors = (inode.executors ?? 0) + 1;
    this.#program = inode;
  }

  /** @returns a copy that shares all private pages until somebody writes to them, or null without memory */
  fork(): AddressSpace | null {
    const { frames, ram, mmu } = this.#parts;
    const child = AddressSpace.create(this.#parts);
    if (child === null) return null;
    if (this.#program !== null) child.execute(this.#program);
    child.brkStart = this.brkStart;
    child.brk = this.brk;
    child.stackTop = this.stackTop;
    child.stackLimit = this.stackLimit;
    child.argStart = this.argStart;
    child.argEnd = this.argEnd;
    child.envStart = this.envStart;
    child.envEnd = this.envEnd;
    for (const vma of this.vmas) {
      vma.source?.hold();
      child.vmas.insert({ ...vma });
    }
    let changed = false;
    const words = new Uint32Array(TABLE_ENTRIES);
    for (const [slot, table] of this.#tables.entries()) {
      if (table === 0) continue;
      const base = slot * 2 ** L2_SHIFT;
      words.fill(0);
      let any = false;
      const note = (entry: number, va: number): number => {
        const shared = this.vmas.find(va)?.shared ?? false;
        const kept = shared ? entry : entry & ~_PAGE_RW;
        frames.get(entry >>> PAGE_SHIFT);
        words[(va >>> PAGE_SHIFT) & 1023] = kept;
        child.residentPages++;
        any = true;
        return kept;
      };
      changed = this.#eachPresent(base, base + 2 ** L2_SHIFT, note) || changed;
      if (!any) continue;
      const copy = child.#tableOf(base);
      if (copy < 0) {
        for (const entry of words) if (entry & _PAGE_PRESENT) frames.put(entry >>> PAGE_SHIFT);
        child.destroy();
        return null;
      }
      ram.write(frameVa(copy), new Uint8Array(words.buffer));
    }
    if (changed && this.isCurrent) mmu.flush();
    return child;
  }

  /** Gives everything back. Preconditions: nobody runs in it */
  destroy(): void {
    const { frames, mmu } = this.#parts;
    if (this.isCurrent) mmu.useKernelRoot();
    // Emptied first: a page that is still on its way in finds no region, and goes back.
    const vmas = this.vmas.remove(0, TASK_SIZE);
    for (const [slot, table] of this.#tables.entries()) {
      if (table === 0) continue;
      const base = slot * 2 ** L2_SHIFT;
      this.#eachPresent(base, base + 2 ** L2_SHIFT, (entry) => {
        frames.put(entry >>> PAGE_SHIFT);
        return entry;
      });
      frames.put(table);
    }
    for (const vma of vmas) vma.source?.drop();
    if (this.#program !== null) {
      this.#program.executors = (this.#program.executors ?? 1) - 1;
      this.#program.drop();
    }
    frames.put(this.root);
  }
}
