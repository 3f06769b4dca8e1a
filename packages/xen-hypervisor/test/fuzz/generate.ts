import { __HYPERVISOR_set_trap_table } from '@domu/xen-abi';
import { type Call, FIRST_INSTRUCTION, type Step } from './call.ts';
import * as memory from './memory-calls.ts';
import { Random } from './random.ts';
import * as system from './system-calls.ts';
import { Words } from './words.ts';

/** Kinds of calls, by how often they are made. */
const KINDS: readonly (readonly [number, (w: Words) => Call])[] = [
  [14, memory.mmuUpdate],
  [10, memory.mmuextOp],
  [12, memory.updateVaMapping],
  [12, memory.memoryOp],
  [2, memory.setGdt],
  [3, memory.updateDescriptor],
  [10, memory.instruction],
  [16, system.grantTableOp],
  [12, system.eventChannelOp],
  [8, system.schedOp],
  [6, system.vcpuOp],
  [5, system.trapSetting],
  [5, system.smallCall],
  [6, system.anyCall],
];
const TOTAL = KINDS.reduce((sum, [weight]) => sum + weight, 0);

function plainCall(w: Words): Call {
  let at = w.random.below(TOTAL);
  for (const [weight, make] of KINDS) {
    if (at < weight) return make(w);
    at -= weight;
  }
  throw new Error('weights do not add up');
}

function call(w: Words): Call {
  if (!w.random.oneIn(16)) return plainCall(w);
  return system.multicall(w, () => {
    const inner = plainCall(w);
    // The block of a list is no trap table; nor can a list hold what is no hypercall.
    const unfit = inner.nr >= FIRST_INSTRUCTION || inner.nr === __HYPERVISOR_set_trap_table;
    return unfit ? w.call(1 + w.small(63), inner.args) : inner;
  });
}

/** How much one run of a machine is made of. */
export interface Shape {
  readonly batches: number;
  readonly guests: number;
  readonly vcpus: number;
  /** Calls of one vCPU in one batch. */
  readonly calls: number;
}

/** All calls of one run of a machine, a function of the seed alone. */
export function generate(seed: number, { batches, guests, vcpus, calls }: Shape): Step[] {
  const words = new Words(new Random(seed));
  const steps: Step[] = [];
  for (let batch = 0; batch < batches; batch++) {
    for (let guest = 0; guest < guests; guest++) {
      for (let vcpu = 0; vcpu < vcpus; vcpu++) {
        for (let i = 0; i < calls; i++) steps.push({ ...call(words), batch, guest, vcpu });
      }
    }
  }
  return steps;
}
