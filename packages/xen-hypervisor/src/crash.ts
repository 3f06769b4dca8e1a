import { Reg, Seg } from '@domu/x86-cpu';
import type { Vcpu } from './vcpu.ts';

/** What is known of a domain at the moment it broke its contract. */
export interface CrashReport {
  readonly reason: string;
  readonly vcpu: number;
  /** Lines of text, ready to print. */
  readonly registers: readonly string[];
  /** Code addresses from the innermost out: EIP, then return addresses found by following EBP. */
  readonly backtrace: readonly number[];
  /** Words at the top of the stack. */
  readonly stack: readonly number[];
}

const MAX_FRAMES = 24;
const STACK_WORDS = 32;
const SEGMENT_NAMES: readonly string[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** Describes the current vCPU. Reads guest memory, but changes nothing. */
export function crashReport(vcpu: Vcpu, reason: string): CrashReport {
  return {
    reason,
    vcpu: vcpu.id,
    registers: registerLines(vcpu),
    backtrace: backtrace(vcpu),
    stack: stackWords(vcpu),
  };
}

function registerLines(vcpu: Vcpu): string[] {
  const { cpu } = vcpu.domain.machine;
  const { regs, seg } = cpu;
  const general = (names: readonly [string, number][]): string =>
    names.map(([name, i]) => `${name} ${hex8(regs[i])}`).join('  ');
  const selectors = SEGMENT_NAMES.map((name, i) => `${name} ${hex4(seg.selector(i))}`).join('  ');
  return [
    `eip ${hex4(seg.selector(Seg.CS))}:${hex8(cpu.eip)}  eflags ${hex8(cpu.eflags)}  ring ${cpu.cpl}`,
    general([
      ['eax', Reg.EAX],
      ['ebx', Reg.EBX],
      ['ecx', Reg.ECX],
      ['edx', Reg.EDX],
    ]),
    general([
      ['esi', Reg.ESI],
      ['edi', Reg.EDI],
      ['ebp', Reg.EBP],
      ['esp', Reg.ESP],
    ]),
    selectors,
    `cr2 ${hex8(cpu.cr2)}  root mfn ${hex8(vcpu.rootMfn)}  kernel stack ${hex4(vcpu.kernelSs)}:${hex8(vcpu.kernelSp)}`,
    `upcall pending ${Number(vcpu.upcallPending)} mask ${Number(vcpu.upcallMask)}`,
  ];
}

function backtrace(vcpu: Vcpu): number[] {
  const { cpu } = vcpu.domain.machine;
  const base = cpu.seg.base(Seg.SS);
  const addresses = [cpu.eip];
  let ebp = cpu.regs[Reg.EBP] >>> 0;
  while (addresses.length < MAX_FRAMES && ebp !== 0) {
    const next = vcpu.mem.readU32((base + ebp) >>> 0);
    const returnAddress = vcpu.mem.readU32((base + ebp + 4) >>> 0);
    if (next < 0 || returnAddress <= 0) break;
    addresses.push(returnAddress);
    if (next <= ebp) break;
    ebp = next;
  }
  return addresses;
}

function stackWords(vcpu: Vcpu): number[] {
  const { cpu } = vcpu.domain.machine;
  const top = (cpu.seg.base(Seg.SS) + cpu.regs[Reg.ESP]) >>> 0;
  const words: number[] = [];
  for (let i = 0; i < STACK_WORDS; i++) {
    const word = vcpu.mem.readU32((top + 4 * i) >>> 0);
    if (word < 0) break;
    words.push(word);
  }
  return words;
}

const hex8 = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
const hex4 = (n: number): string => (n & 0xffff).toString(16).padStart(4, '0');
