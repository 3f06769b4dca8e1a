import { GATE } from '@domu/x86-cpu';
import { VMASST_TYPE_architectural_iopl } from '@domu/xen-abi';
import { isNullSelector } from '../selectors.ts';
import type { Vcpu } from '../vcpu.ts';
import { VECTOR_INT80 } from './vectors.ts';

const VECTOR: number = GATE.vector >> 2;
const CS: number = GATE.cs >> 2;
const EIP: number = GATE.eip >> 2;
const SS: number = GATE.ss >> 2;
const SP: number = GATE.sp >> 2;
const EVENTS: number = GATE.events >> 2;
const MASKS: number = GATE.masks >> 2;
const IOPL: number = GATE.iopl >> 2;
const TAKEN: number = GATE.taken >> 2;
const NO_VECTOR = 0;
const IOPL_SHIFT = 12;

/**
 * Shows the CPU where `int 0x80` of the vCPU that is about to run leads, so that it goes there without leaving: by the frame
 * that `enterGuestKernel` would make. Whatever is not plain about it comes out as an exit all the same. Call it before each
 * `run`: hypercalls and handlers may have changed anything of this. A kernel in TypeScript has no use for it.
 */
export function openSystemCallGate({ domain, traps, kernelSs, kernelSp, infoMaddr, viopl }: Vcpu): void {
  const { cpu, memory } = domain.machine;
  const { state } = cpu;
  const cs = traps.cs[VECTOR_INT80];
  if (domain.semihost !== null || isNullSelector(cs)) {
    state[VECTOR] = NO_VECTOR;
    return;
  }
  state[VECTOR] = VECTOR_INT80;
  state[CS] = cs;
  state[EIP] = traps.address[VECTOR_INT80];
  state[SS] = kernelSs;
  state[SP] = kernelSp;
  state[EVENTS] = memory.ramBase + infoMaddr;
  state[MASKS] = traps.masksEvents(VECTOR_INT80) ? 1 : 0;
  state[IOPL] = domain.hasAssist(VMASST_TYPE_architectural_iopl) ? viopl << IOPL_SHIFT : 0;
}

/** Counts what went through the gate since it was last asked. */
export function countSystemCalls({ domain }: Vcpu): void {
  const { cpu, counters } = domain.machine;
  counters.traps[VECTOR_INT80] += cpu.state[TAKEN];
  cpu.state[TAKEN] = 0;
}
