import { FlatMachine } from '@domu/testkit';
import { type Cpu, Exit, PAGE_WRITABLE, Reg } from '../src/index.ts';

const PAGE = 4096;
const CODE = 0x1000;
const CR4_OSFXSR = 0x200;

/** A Cpu that has run a loop, and its memory by machine address. */
export interface LoopRun {
  readonly cpu: Cpu;
  readonly ram: Uint8Array;
  /** How the last run ended. */
  readonly exit: number;
}

export interface LoopOptions {
  readonly engine: 'interpreter' | 'jit';
  readonly body: readonly number[];
  readonly loops: number;
  /** Where a linear address lies in memory; pages stay whole. */
  readonly machineAddress?: (linear: number) => number;
  /** Fills memory and registers. */
  readonly prepare?: (cpu: Cpu, ram: Uint8Array) => void;
}

/** Runs `body` until ECX, which it counts down from `loops`, is 0. */
export function runLoop({ engine, body, loops, machineAddress = (at) => at, prepare }: LoopOptions): LoopRun {
  const translate = (linear: number): number => (machineAddress(linear >>> 0) & -PAGE) | PAGE_WRITABLE;
  const { cpu, ram } = new FlatMachine({ engine, bus: { translate } });
  cpu.cr4 = CR4_OSFXSR;
  ram.set([...body, 0x49, 0x75, -(body.length + 3) & 0xff, 0xcd, 0x80], CODE);
  cpu.eip = CODE;
  cpu.regs[Reg.ECX] = loops;
  prepare?.(cpu, ram);
  let exit: number = Exit.Budget;
  for (let slice = 0; slice < 1000 && exit === Exit.Budget; slice++) exit = cpu.run(1000);
  return { cpu, ram, exit };
}
