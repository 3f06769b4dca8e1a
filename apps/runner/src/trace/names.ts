import { Exit } from '@domu/x86-cpu';
import { HYPERCALL_NAMES, HYPERCALLS, RUNSTATE_blocked, RUNSTATE_running } from '@domu/xen-abi';

/** Exceptions. Source: SDM vol. 3, table 6-1 */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: '#DE divide error',
  1: '#DB debug',
  3: '#BP breakpoint',
  4: '#OF overflow',
  5: '#BR bound range',
  6: '#UD invalid opcode',
  7: '#NM no coprocessor',
  10: '#TS invalid TSS',
  11: '#NP segment not present',
  12: '#SS stack fault',
  13: '#GP general protection',
  14: '#PF page fault',
  16: '#MF x87 error',
  17: '#AC alignment',
  19: '#XM SIMD error',
};

const OTHER_ENTRIES: Readonly<Record<number, string>> = {
  240: 'event callback',
  241: 'failsafe callback',
  242: 'boot',
  243: 'woken',
  244: 'FPU loaded',
};

/** Whether the first argument of a hypercall names a sub-operation, and is part of its name. */
export function hasSubOperation(nr: number): boolean {
  const name = HYPERCALL_NAMES[nr];
  return name !== undefined && HYPERCALLS[name].args[0]?.kind === 'enum';
}

/** "event_channel_op send", "mmu_update"; numbers where the ABI has no name. */
export function hypercallText(nr: number, cmd: number): string {
  const name = HYPERCALL_NAMES[nr];
  if (name === undefined) return `hypercall ${nr}`;
  const [first] = HYPERCALLS[name].args;
  if (first?.kind !== 'enum') return name;
  const [operation] = Object.entries(first.values ?? {}).find(([, value]) => value === cmd) ?? [String(cmd)];
  return `${name} ${operation.replace(/^[A-Z]+_(?:[A-Z]+_)?(?=[a-z])/, '')}`;
}

/** How a vCPU left its guest. */
export function exitText(exit: Exit, vector: number): string {
  switch (exit) {
    case Exit.Fault:
      return EXCEPTIONS[vector] ?? `exception ${vector}`;
    case Exit.Interrupt:
      return `int 0x${vector.toString(16)}`;
    case Exit.Sysenter:
      return 'sysenter';
    case Exit.Syscall:
      return 'syscall';
    default:
      return `exit ${exit}`;
  }
}

/** Entry points of a kernel that is TypeScript: by vector where there is one, as the built-in kernel has them. */
export function kernelEntryText(index: number): string {
  if (index === 0x80) return 'kernel: system call';
  return `kernel: ${EXCEPTIONS[index] ?? OTHER_ENTRIES[index] ?? `entry 0x${index.toString(16)}`}`;
}

/** What a vCPU does, by its RUNSTATE_*. */
export function runstateText(state: number): string {
  if (state === RUNSTATE_running) return 'running';
  return state === RUNSTATE_blocked ? 'blocked' : 'waiting for the processor';
}
