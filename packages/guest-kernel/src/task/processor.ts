/** The vCPU as tasks share it: saving and loading user registers, descriptors, and the ways out to machine code. */
import {
  __HYPERVISOR_iret,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_update_descriptor,
  FLAT_KERNEL_SS,
} from '@domu/xen-abi';
import { GDT_ENTRY_TLS_MIN, GDT_PAGE, KERNEL_STACK_TOP, PAGE_OFFSET } from '../boot/layout.ts';
import { STUB_IDLE, STUB_RESUME } from '../boot/stubs.ts';
import type { Ram } from '../mm/ram.ts';
import type { Task } from './task.ts';
import * as R from './user-registers.ts';

const RESUME_BYTES = 4 * R.NR_USER_REGISTERS;
/** An interrupt frame from user mode: EIP, CS, EFLAGS, ESP, SS. */
const FRAME_WORDS = 5;

export class Processor {
  readonly #ram: Ram;
  readonly #words: Uint32Array = new Uint32Array(R.NR_USER_REGISTERS);
  readonly #bytes: Uint8Array = new Uint8Array(this.#words.buffer);
  readonly #frame: Uint32Array = new Uint32Array(FRAME_WORDS);
  readonly #frameBytes: Uint8Array = new Uint8Array(this.#frame.buffer);
  /** The TLS descriptors that are in the GDT. */
  readonly #loadedTls: Uint32Array = new Uint32Array(6);

  constructor(ram: Ram) {
    this.#ram = ram;
    ram.port.hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, KERNEL_STACK_TOP);
  }

  /**
   * Takes the user registers out of the vCPU, after an entry from user mode.
   * @param frameVa where EIP lies on the kernel stack
   */
  save(task: Task, frameVa: number): void {
    const { regs } = this.#ram.port;
    const to = task.regs;
    to[R.GS] = regs.gs;
    to[R.FS] = regs.fs;
    to[R.ES] = regs.es;
    to[R.DS] = regs.ds;
    to[R.EDI] = regs.edi;
    to[R.ESI] = regs.esi;
    to[R.EBP] = regs.ebp;
    to[R.EBX] = regs.ebx;
    to[R.EDX] = regs.edx;
    to[R.ECX] = regs.ecx;
    to[R.EAX] = regs.eax;
    this.#ram.read(frameVa, this.#frameBytes);
    to[R.EIP] = this.#frame[0];
    to[R.CS] = this.#frame[1] & 0xffff;
    to[R.EFLAGS] = this.#frame[2] | R.EFLAGS_IF;
    to[R.ESP] = this.#frame[3];
    to[R.SS] = this.#frame[4] & 0xffff;
    task.saved = true;
  }

  /** Goes to user mode with the saved registers of a task. */
  resume(task: Task): void {
    this.loadTls(task);
    this.#words.set(task.regs);
    const at = KERNEL_STACK_TOP - RESUME_BYTES;
    this.#ram.write(at, this.#bytes);
    const { regs } = this.#ram.port;
    regs.esp = at;
    regs.eip = STUB_RESUME;
    task.saved = false;
  }

  /**
   * Goes back to the user registers that are in the vCPU, with another EAX.
   * @param frameVa where EIP lies on the kernel stack
   */
  returnFast(frameVa: number, eax: number): void {
    const { port } = this.#ram;
    this.#ram.write32(frameVa - 4, eax);
    port.regs.esp = frameVa - 4;
    port.hypercall(__HYPERVISOR_iret);
  }

  /** Sleeps until an event comes. */
  idle(): void {
    const { regs } = this.#ram.port;
    regs.esp = KERNEL_STACK_TOP;
    regs.eip = STUB_IDLE;
  }

  /** Puts the TLS descriptors of a task into the GDT. */
  loadTls(task: Task): void {
    for (let i = 0; i < 3; i++) {
      const low = task.tls[2 * i];
      const high = task.tls[2 * i + 1];
      if (this.#loadedTls[2 * i] === low && this.#loadedTls[2 * i + 1] === high) continue;
      const at = GDT_PAGE - PAGE_OFFSET + 8 * (GDT_ENTRY_TLS_MIN + i);
      this.#ram.port.hypercall(__HYPERVISOR_update_descriptor, at, 0, low, high);
      this.#loadedTls[2 * i] = low;
      this.#loadedTls[2 * i + 1] = high;
    }
  }
}
