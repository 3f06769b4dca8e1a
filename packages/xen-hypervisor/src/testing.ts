import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  VcpuGuestContext,
  VGCF_in_kernel,
  VGCF_online,
} from '@domu/xen-abi';
import { VirtualClock } from './clock.ts';
import type { Domain, DomainOptions } from './domain.ts';
import { completeHypercall } from './hypercalls/dispatch.ts';
import { Machine, type RunResult } from './machine.ts';
import type { Vcpu } from './vcpu.ts';
import { initialiseVcpu } from './vcpu-context.ts';

/** Pages of a test guest; all are mapped writable from linear address 0 on, the page tables read-only. */
export const GUEST_PAGES = 64;
const TABLE_PAGES = 6;
/** Linear address of the top of the kernel stack. */
export const STACK_TOP = 0x20000;
/** Linear address where `load` puts code unless told otherwise. */
export const CODE = 0x10000;
/** A page for data. */
export const DATA = 0x8000;

const PTE_RO = 0x61;
const PTE_RW_USER = 0x67;

/**
 * A small PAE domain for tests of the hypervisor with real instructions: `GUEST_PAGES` pages mapped from linear address 0
 * with user rights, then six pages of page tables (L3, four L2s, L1), mapped read-only. In direct paging, or translated.
 */
export class TestGuest {
  readonly machine: Machine;
  readonly domain: Domain;
  readonly vcpu: Vcpu;
  /** What the domain calls the frame of each page: mfns, or in translated paging gfns. */
  readonly p2m: number[] = [];
  /** The same of L3, the L2s and the L1. */
  readonly tables: number[] = [];
  readonly log: string[] = [];

  constructor(options: Partial<DomainOptions> & { machine?: Machine } = {}) {
    this.machine =
      options.machine ??
      new Machine({ memoryMiB: 4, clock: new VirtualClock(), log: (line) => this.log.push(line) });
    this.domain = this.machine.createDomain({ maxPages: 256, ...options });
    this.vcpu = this.domain.vcpus[0];
    const { paging } = this.domain;
    for (let i = 0; i < GUEST_PAGES; i++) this.p2m.push(paging.toGfn(paging.populateFrame(i)));
    for (let i = 0; i < TABLE_PAGES; i++)
      this.tables.push(paging.toGfn(paging.populateFrame(GUEST_PAGES + i)));
    this.#writeTables();
    paging.adoptBuiltRoot(this.tables[0]);
  }

  /** Copies bytes to a linear address below the page tables. */
  load(bytes: ArrayLike<number>, va: number = CODE): void {
    for (let i = 0; i < bytes.length; i++) {
      const mfn = this.domain.paging.toMfn(this.p2m[(va + i) >>> 12]);
      this.machine.memory.u8[mfn * 4096 + ((va + i) & 0xfff)] = bytes[i];
    }
  }

  /** Gives vCPU 0 its first registers and lets the domain run. */
  start(eip: number = CODE): void {
    const rc = initialiseVcpu(this.vcpu, this.context(eip));
    if (rc !== 0) throw new Error(`initialiseVcpu: ${rc}`);
    this.domain.unpause();
  }

  /** A first context in ring 1. */
  context(eip: number, esp: number = STACK_TOP): DataView {
    const view = new DataView(new ArrayBuffer(VcpuGuestContext.size));
    const { user_regs: regs } = VcpuGuestContext;
    regs.eip.set(view, 0, eip);
    regs.esp.set(view, 0, esp);
    regs.cs.set(view, 0, FLAT_KERNEL_CS);
    for (const segment of [regs.ds, regs.es, regs.fs, regs.gs]) segment.set(view, 0, FLAT_KERNEL_DS);
    regs.ss.set(view, 0, FLAT_KERNEL_SS);
    VcpuGuestContext.kernel_ss.set(view, 0, FLAT_KERNEL_SS);
    VcpuGuestContext.kernel_sp.set(view, 0, STACK_TOP);
    VcpuGuestContext.ctrlreg.set(view, 0, 3, ((this.tables[0] << 12) | (this.tables[0] >>> 20)) >>> 0);
    VcpuGuestContext.flags.set(view, 0, VGCF_in_kernel | VGCF_online);
    return view;
  }

  run(budget: number = 10_000): RunResult {
    return this.machine.run(budget);
  }

  /** Reads a word by linear address. */
  read32(va: number): number {
    return this.vcpu.mem.readU32(va);
  }

  write32(va: number, value: number): void {
    this.vcpu.mem.writeU32(va, value);
  }

  #writeTables(): void {
    const [l3, ...rest] = this.tables;
    const l2s = rest.slice(0, 4);
    const l1 = rest[4];
    const put = (table: number, slot: number, target: number, flags: number): void => {
      const mfn = this.domain.paging.toMfn(table);
      this.machine.memory.view.setUint32(mfn * 4096 + slot * 8, ((target << 12) | flags) >>> 0, true);
    };
    for (const [i, l2] of l2s.entries()) put(l3, i, l2, 1);
    put(l2s[0], 0, l1, PTE_RW_USER);
    for (const [i, mfn] of this.p2m.entries()) put(l1, i, mfn, PTE_RW_USER);
    for (const [i, mfn] of this.tables.entries()) put(l1, GUEST_PAGES + i, mfn, PTE_RO);
  }
}

/** A started guest whose hypercalls are made from the test, with the arguments in its own memory. */
export class CallingGuest extends TestGuest {
  constructor(options: ConstructorParameters<typeof TestGuest>[0] = {}) {
    super(options);
    this.start();
  }

  /** Makes hypercall `nr`. @returns its result */
  call(nr: number, ...args: readonly number[]): number {
    return completeHypercall(this.vcpu.caller, nr, args);
  }

  /** Writes words at `va`, and calls `nr(cmd, va)`. */
  callWith(nr: number, cmd: number, words: readonly number[], va: number = DATA): number {
    this.writeWords(words, va);
    return this.call(nr, cmd, va);
  }

  writeWords(words: readonly number[], va: number = DATA): void {
    for (const [i, word] of words.entries()) this.write32(va + 4 * i, word);
  }

  readWords(count: number, va: number = DATA): number[] {
    return Array.from({ length: count }, (_, i) => this.read32(va + 4 * i));
  }
}

/** One machine for the tests of a file: making one costs far more than making a guest. */
export class CallBench {
  readonly machine: Machine = new Machine({ memoryMiB: 8, clock: new VirtualClock() });
  private readonly freeFrames: number = this.machine.frames.freeFrames;

  guest(options: ConstructorParameters<typeof TestGuest>[0] = {}): CallingGuest {
    return new CallingGuest({ machine: this.machine, ...options });
  }

  /** Destroys the guests of a test. Throws when a frame of theirs stays behind. */
  clear(): void {
    for (const domain of [...this.machine.domains.values()]) this.machine.destroyDomain(domain);
    const lost = this.freeFrames - this.machine.frames.freeFrames;
    if (lost !== 0) throw new Error(`${lost} frames are still in use after the guests have gone`);
  }
}

/** `mov eax, nr; int 0x82` with the arguments loaded first. */
export function hypercall(nr: number, ...args: readonly number[]): number[] {
  const load = [0xbb, 0xb9, 0xba, 0xbe, 0xbf]; // ebx ecx edx esi edi
  const code = args.flatMap((arg, i) => [load[i], ...le32(arg)]);
  return [...code, 0xb8, ...le32(nr), 0xcd, 0x82];
}

/** `mov [va], eax`. */
export const storeEax = (va: number): number[] => [0xa3, ...le32(va)];

/** `mov eax, value`. */
export const loadEax = (value: number): number[] => [0xb8, ...le32(value)];

/** `jmp $`. */
export const SPIN: readonly number[] = [0xeb, 0xfe];

export const le32 = (value: number): number[] => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  value >>> 24,
];
