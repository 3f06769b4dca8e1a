/** Whose FPU state is in the processor. Sources: Intel SDM vol. 1, 10.5 (FXSAVE); linux arch/x86/kernel/fpu. */
import { __HYPERVISOR_fpu_taskswitch } from '@domu/xen-abi';
import { PAGE_SIZE } from '../boot/layout.ts';
import { STUB_FPU } from '../boot/stubs.ts';
import type { Task } from '../task/task.ts';
import type { Frames } from './frames.ts';
import { frameVa, type Ram } from './ram.ts';

export const FXSAVE_BYTES = 512;
const FCW_DEFAULT = 0x37f;
const MXCSR_DEFAULT = 0x1f80;
export const MXCSR_OFFSET = 24;
/** Bits of MXCSR that exist without DAZ. */
export const MXCSR_MASK = 0xffbf;

/**
 * The FPU belongs to one task at a time. Another task's first FPU instruction raises #NM; the states are then exchanged by
 * the FPU stub, the only place where FXSAVE and FXRSTOR run.
 */
export class Fpu {
  owner: Task | null = null;
  readonly #ram: Ram;
  readonly #frames: Frames;
  readonly #free: number[] = [];
  #trapsOn = false;
  /** The owner's state is in memory as well as in the processor. */
  #saved = false;

  constructor(ram: Ram, frames: Frames) {
    this.#ram = ram;
    this.#frames = frames;
  }

  /** A task is about to go on in user mode: its FPU instructions shall trap unless it owns the FPU. */
  prepare(task: Task): void {
    const trap = this.owner !== task;
    if (!trap) this.#saved = false;
    if (trap === this.#trapsOn) return;
    this.#trapsOn = trap;
    this.#ram.port.hypercall(__HYPERVISOR_fpu_taskswitch, trap ? 1 : 0);
  }

  /**
   * #NM of a task: gives it the FPU. The vCPU then runs the stub and comes back with ENTRY_FPU_DONE.
   * @returns false without memory
   */
  take(task: Task): boolean {
    this.#trapsOn = false;
    if (task.fpuVa === 0 && !this.#allocate(task)) return false;
    const save = this.owner !== null && !this.#saved ? this.owner.fpuVa : 0;
    this.owner = task;
    this.#saved = false;
    this.#runStub(save, task.fpuVa);
    return true;
  }

  /** Whether {@link save} must run before the task's state can be read from memory. */
  mustSave(task: Task): boolean {
    return this.owner === task && !this.#saved;
  }

  /** Copies the state of the owner to memory, by the stub: ENTRY_FPU_DONE follows. */
  save(task: Task): void {
    this.#saved = true;
    if (this.#trapsOn) {
      this.#trapsOn = false;
      this.#ram.port.hypercall(__HYPERVISOR_fpu_taskswitch, 0);
    }
    this.#runStub(task.fpuVa, 0);
  }

  /** The state of a task as FXSAVE leaves it, or null if it never used the FPU. Preconditions: !mustSave(task) */
  read(task: Task): Uint8Array | null {
    if (task.fpuVa === 0) return null;
    const image = new Uint8Array(FXSAVE_BYTES);
    this.#ram.read(task.fpuVa, image);
    return image;
  }

  /** Replaces the state of a task; null: as if it never used the FPU. @returns false without memory */
  write(task: Task, image: Uint8Array | null): boolean {
    if (this.owner === task) this.owner = null;
    if (image === null) {
      this.release(task);
      return true;
    }
    if (task.fpuVa === 0 && !this.#allocate(task)) return false;
    this.#ram.write(task.fpuVa, image);
    const view = new DataView(image.buffer, image.byteOffset);
    this.#ram.write32(task.fpuVa + MXCSR_OFFSET, view.getUint32(MXCSR_OFFSET, true) & MXCSR_MASK);
    return true;
  }

  /** The task has ended, or starts a new program. */
  release(task: Task): void {
    if (this.owner === task) this.owner = null;
    if (task.fpuVa !== 0) this.#free.push(task.fpuVa);
    task.fpuVa = 0;
  }

  #allocate(task: Task): boolean {
    if (this.#free.length === 0) {
      const frame = this.#frames.alloc();
      if (frame < 0) return false;
      for (let at = 0; at < PAGE_SIZE; at += FXSAVE_BYTES) this.#free.push(frameVa(frame) + at);
    }
    task.fpuVa = this.#free.pop() as number;
    this.#ram.write(task.fpuVa, new Uint8Array(FXSAVE_BYTES));
    this.#ram.write32(task.fpuVa, FCW_DEFAULT);
    this.#ram.write32(task.fpuVa + MXCSR_OFFSET, MXCSR_DEFAULT);
    return true;
  }

  #runStub(save: number, load: number): void {
    const { regs } = this.#ram.port;
    regs.eax = save;
    regs.edx = load;
    regs.eip = STUB_FPU;
  }
}
