import { type Cpu, Reg, Seg } from '@domu/x86-cpu';
import type { GuestPort, GuestRegisters, LinearAddr } from '@domu/xen-abi';
import { HYPERCALL_CONTINUE, HYPERCALL_KEEP_REGISTERS } from './caller.ts';
import { callHypercall } from './hypercalls/dispatch.ts';
import type { Vcpu } from './vcpu.ts';

const PAGE_BYTES = 4096;

/** Registers of the vCPU that is in the CPU. */
class LiveRegisters implements GuestRegisters {
  readonly #cpu: Cpu;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  get eax(): number {
    return this.#cpu.regs[Reg.EAX] >>> 0;
  }
  set eax(value: number) {
    this.#cpu.regs[Reg.EAX] = value;
  }
  get ecx(): number {
    return this.#cpu.regs[Reg.ECX] >>> 0;
  }
  set ecx(value: number) {
    this.#cpu.regs[Reg.ECX] = value;
  }
  get edx(): number {
    return this.#cpu.regs[Reg.EDX] >>> 0;
  }
  set edx(value: number) {
    this.#cpu.regs[Reg.EDX] = value;
  }
  get ebx(): number {
    return this.#cpu.regs[Reg.EBX] >>> 0;
  }
  set ebx(value: number) {
    this.#cpu.regs[Reg.EBX] = value;
  }
  get esp(): number {
    return this.#cpu.regs[Reg.ESP] >>> 0;
  }
  set esp(value: number) {
    this.#cpu.regs[Reg.ESP] = value;
  }
  get ebp(): number {
    return this.#cpu.regs[Reg.EBP] >>> 0;
  }
  set ebp(value: number) {
    this.#cpu.regs[Reg.EBP] = value;
  }
  get esi(): number {
    return this.#cpu.regs[Reg.ESI] >>> 0;
  }
  set esi(value: number) {
    this.#cpu.regs[Reg.ESI] = value;
  }
  get edi(): number {
    return this.#cpu.regs[Reg.EDI] >>> 0;
  }
  set edi(value: number) {
    this.#cpu.regs[Reg.EDI] = value;
  }
  get eip(): number {
    return this.#cpu.eip;
  }
  set eip(value: number) {
    this.#cpu.eip = value >>> 0;
  }
  get eflags(): number {
    return this.#cpu.eflags;
  }
  set eflags(value: number) {
    this.#cpu.eflags = value;
  }
  get cs(): number {
    return this.#cpu.seg.selector(Seg.CS);
  }
  get ss(): number {
    return this.#cpu.seg.selector(Seg.SS);
  }
  get ds(): number {
    return this.#cpu.seg.selector(Seg.DS);
  }
  get es(): number {
    return this.#cpu.seg.selector(Seg.ES);
  }
  get fs(): number {
    return this.#cpu.seg.selector(Seg.FS);
  }
  get gs(): number {
    return this.#cpu.seg.selector(Seg.GS);
  }
}

/**
 * GuestPort of the current vCPU: everything with the rights of ring 1, faults included, and nothing else.
 * Preconditions: the vCPU is the current one; that is so inside of `Domain.semihost`
 */
export class VcpuPort implements GuestPort {
  readonly regs: GuestRegisters;
  readonly fault: { address: LinearAddr; errorCode: number } = { address: 0 as LinearAddr, errorCode: 0 };
  readonly #vcpu: Vcpu;
  readonly #cpu: Cpu;
  readonly #bytes: Uint8Array;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
    this.#cpu = vcpu.domain.machine.cpu;
    this.#bytes = vcpu.domain.machine.memory.u8;
    this.regs = new LiveRegisters(this.#cpu);
  }

  read8(va: number): number {
    const value = this.#cpu.readLinear(va, 1, false);
    return value < 0 ? this.#faulted() : value;
  }

  read16(va: number): number {
    const value = this.#cpu.readLinear(va, 2, false);
    return value < 0 ? this.#faulted() : value;
  }

  read32(va: number): number {
    const value = this.#cpu.readLinear(va, 4, false);
    return value < 0 ? this.#faulted() : value;
  }

  write8(va: number, value: number): boolean {
    return this.#cpu.writeLinear(va, 1, value, false) || this.#faulted() >= 0;
  }

  write16(va: number, value: number): boolean {
    return this.#cpu.writeLinear(va, 2, value, false) || this.#faulted() >= 0;
  }

  write32(va: number, value: number): boolean {
    return this.#cpu.writeLinear(va, 4, value, false) || this.#faulted() >= 0;
  }

  readBytes(va: number, into: Uint8Array): boolean {
    for (let done = 0; done < into.length; ) {
      const linear = (va + done) >>> 0;
      const at = this.#translate(linear, false);
      if (at < 0) return false;
      const length = Math.min(into.length - done, PAGE_BYTES - (linear % PAGE_BYTES));
      into.set(this.#bytes.subarray(at, at + length), done);
      done += length;
    }
    return true;
  }

  writeBytes(va: number, from: Uint8Array): boolean {
    for (let done = 0; done < from.length; ) {
      const linear = (va + done) >>> 0;
      const at = this.#translate(linear, true);
      if (at < 0) return false;
      const length = Math.min(from.length - done, PAGE_BYTES - (linear % PAGE_BYTES));
      this.#bytes.set(done === 0 && length === from.length ? from : from.subarray(done, done + length), at);
      this.#cpu.memoryChanged(at, length);
      done += length;
    }
    return true;
  }

  /** One vCPU runs at a time, so nothing comes between the reading and the writing. */
  compareExchange32(va: number, expected: number, value: number): number {
    const found = this.read32(va);
    if (found < 0 || found !== expected >>> 0) return found;
    return this.write32(va, value) ? found : -1;
  }

  hypercall(
    nr: number,
    a0: number = 0,
    a1: number = 0,
    a2: number = 0,
    a3: number = 0,
    a4: number = 0,
  ): number {
    const { caller } = this.#vcpu;
    const { work } = caller.machine;
    work.begin();
    let result = callHypercall(caller, nr, a0 >>> 0, a1 >>> 0, a2 >>> 0, a3 >>> 0, a4 >>> 0);
    if (result === HYPERCALL_CONTINUE) {
      const now = [a0, a1, a2, a3, a4];
      do {
        for (const [i, arg] of work.args.entries()) now[i] = arg;
        work.begin();
        const [b0, b1, b2, b3, b4] = now;
        result = callHypercall(caller, work.nr, b0 >>> 0, b1 >>> 0, b2 >>> 0, b3 >>> 0, b4 >>> 0);
      } while (result === HYPERCALL_CONTINUE);
    }
    return result === HYPERCALL_KEEP_REGISTERS ? this.#cpu.regs[Reg.EAX] : result | 0;
  }

  /** @returns machine address of a byte, or -1 with the fault noted */
  #translate(linear: number, write: boolean): number {
    const at = this.#cpu.machineAddress(linear, write, false);
    return at < 0 ? this.#faulted() : at;
  }

  #faulted(): -1 {
    const { exit } = this.#cpu;
    this.fault.address = exit.cr2 as LinearAddr;
    this.fault.errorCode = exit.errorCode;
    return -1;
  }
}
