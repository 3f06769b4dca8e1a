/** What the processor knows of page tables: which are in use, and what it remembers of them. */
import {
  __HYPERVISOR_mmuext_op,
  _PAGE_ACCESSED,
  _PAGE_DIRTY,
  _PAGE_PRESENT,
  _PAGE_RW,
  _PAGE_USER,
  DOMID_SELF,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_TLB_FLUSH_LOCAL,
} from '@domu/xen-abi';
import { PAGE_OFFSET, PAGE_SHIFT, SCRATCH } from '../boot/layout.ts';
import type { Frames } from './frames.ts';
import { frameVa, type Ram } from './ram.ts';

/** Entries of a table; a table of the second level covers 4 MiB with each. */
export const TABLE_ENTRIES = 1024;
export const L2_SHIFT = 22;
/** First slot of the second level that is the kernel's. */
export const FIRST_KERNEL_SLOT: number = PAGE_OFFSET >>> L2_SHIFT;

const KERNEL_PAGE: number = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY;
/** Of entries that lead to a table; what user mode may do, the entries of that table say. */
export const TABLE_FLAGS: number = KERNEL_PAGE | _PAGE_USER;

/** The root of the kernel's page tables, the parts of it that every process shares, and the TLB. */
export class Mmu {
  readonly #ram: Ram;
  readonly #frames: Frames;
  readonly #kernelRoot: number;
  #current: number;

  /** @param kernelRoot frame of the root that the domain was built with; in use */
  constructor(ram: Ram, frames: Frames, kernelRoot: number) {
    this.#ram = ram;
    this.#frames = frames;
    this.#kernelRoot = kernelRoot;
    this.#current = kernelRoot;
  }

  /** Frame of the root table that is in use. */
  get current(): number {
    return this.#current;
  }

  /** Maps frames [0, end) at PAGE_OFFSET, for the kernel. Tables are made of free frames, which must be mapped already. */
  mapAll(end: number): void {
    for (let pfn = 0; pfn < end; pfn += TABLE_ENTRIES) {
      const at = frameVa(this.#kernelRoot) + 4 * (FIRST_KERNEL_SLOT + (pfn >>> 10));
      const entry = this.#ram.read32(at);
      const table = entry & _PAGE_PRESENT ? entry >>> PAGE_SHIFT : this.#newTable();
      for (let i = 0; i < TABLE_ENTRIES && pfn + i < end; i++)
        this.#ram.write32(frameVa(table) + 4 * i, ((pfn + i) << PAGE_SHIFT) | KERNEL_PAGE);
      this.#ram.write32(at, (table << PAGE_SHIFT) | TABLE_FLAGS);
    }
    this.flush();
  }

  /** @returns frame of a root with the kernel's part and nothing else, or -1 without memory */
  newRoot(): number {
    const root = this.#frames.alloc();
    if (root < 0) return -1;
    const words = new Uint32Array(TABLE_ENTRIES);
    const bytes = new Uint8Array(words.buffer);
    this.#ram.read(frameVa(this.#kernelRoot), bytes);
    words.fill(0, 0, FIRST_KERNEL_SLOT);
    this.#ram.write(frameVa(root), bytes);
    return root;
  }

  /** Uses a root from now on; the TLB starts empty. */
  use(root: number): void {
    if (root === this.#current) return;
    this.#mmuext(MMUEXT_NEW_BASEPTR, root);
    this.#current = root;
  }

  /** Uses a root that has no user part. */
  useKernelRoot(): void {
    this.use(this.#kernelRoot);
  }

  flush(): void {
    this.#mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0);
  }

  flushPage(va: number): void {
    this.#mmuext(MMUEXT_INVLPG_LOCAL, va);
  }

  #newTable(): number {
    const table = this.#frames.alloc();
    if (table < 0) throw new Error('no memory for the kernel page tables');
    this.#ram.zeroFrame(table);
    return table;
  }

  #mmuext(cmd: number, arg: number): void {
    const { port } = this.#ram;
    this.#ram.write32(SCRATCH, cmd);
    this.#ram.write32(SCRATCH + 4, arg);
    this.#ram.write32(SCRATCH + 8, 0);
    const rc = port.hypercall(__HYPERVISOR_mmuext_op, SCRATCH, 1, 0, DOMID_SELF);
    if (rc < 0) throw new Error(`mmuext_op ${cmd} failed: ${rc}`);
  }
}
