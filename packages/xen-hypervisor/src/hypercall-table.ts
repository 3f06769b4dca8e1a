import { HYPERCALL_NAMES, type HypercallName, XEN_ENOSYS, XEN_EOPNOTSUPP, XEN_EPERM } from '@domu/xen-abi';
import { absent, type Binding, full, partial } from './hypercall-binding.ts';
import { consoleIo } from './hypercalls/console-io.ts';
import { eventChannelOp, eventChannelOpCompat } from './hypercalls/event-channel-op.ts';
import { grantTableOp } from './hypercalls/grant-table-op.ts';
import { memoryOp } from './hypercalls/memory-op.ts';
import { mmuUpdate, updateVaMapping, updateVaMappingOtherdomain } from './hypercalls/mmu.ts';
import { mmuextOp } from './hypercalls/mmuext.ts';
import { multicall } from './hypercalls/multicall.ts';
import { physdevOp, physdevOpCompat } from './hypercalls/physdev-op.ts';
import { schedOp, schedOpCompat } from './hypercalls/sched-op.ts';
import { setTimerOp } from './hypercalls/set-timer-op.ts';
import {
  callbackOp,
  fpuTaskswitch,
  getDebugregCall,
  nmiOp,
  setCallbacks,
  setDebugregCall,
  setGdtCall,
  setTrapTable,
  stackSwitch,
  updateDescriptor,
} from './hypercalls/traps.ts';
import { vcpuOp } from './hypercalls/vcpu-op.ts';
import { xenVersion } from './hypercalls/version.ts';
import { vmAssist } from './hypercalls/vm-assist.ts';
import { iret } from './traps/iret.ts';

/** How each hypercall is served. A missing row does not compile. */
export const HYPERCALL_TABLE: Readonly<Record<HypercallName, Binding>> = {
  set_trap_table: full(setTrapTable),
  mmu_update: partial(mmuUpdate, 'own frames only'),
  set_gdt: full(setGdtCall),
  stack_switch: full(stackSwitch),
  set_callbacks: full(setCallbacks),
  fpu_taskswitch: full(fpuTaskswitch),
  sched_op_compat: full(schedOpCompat),
  platform_op: absent(XEN_EPERM, 'for the hardware domain'),
  set_debugreg: full(setDebugregCall),
  get_debugreg: full(getDebugregCall),
  update_descriptor: full(updateDescriptor),
  memory_op: full(memoryOp),
  multicall: full(multicall),
  update_va_mapping: full(updateVaMapping),
  set_timer_op: full(setTimerOp),
  event_channel_op_compat: partial(eventChannelOpCompat, 'no physical interrupts'),
  xen_version: full(xenVersion),
  console_io: partial(consoleIo, 'writes; nothing to read'),
  physdev_op_compat: full(physdevOpCompat),
  grant_table_op: full(grantTableOp),
  vm_assist: full(vmAssist),
  update_va_mapping_otherdomain: partial(updateVaMappingOtherdomain, 'own tables only'),
  iret: partial(iret, 'no return to virtual-8086 mode, as Xen 4.18'),
  vcpu_op: full(vcpuOp),
  set_segment_base: absent(XEN_ENOSYS, '64-bit guests only'),
  mmuext_op: partial(mmuextOp, 'own frames only'),
  xsm_op: absent(XEN_ENOSYS, 'no security module'),
  nmi_op: full(nmiOp),
  sched_op: full(schedOp),
  callback_op: full(callbackOp),
  xenoprof_op: absent(XEN_ENOSYS, 'no profiling'),
  event_channel_op: partial(eventChannelOp, 'no physical interrupts'),
  physdev_op: full(physdevOp),
  hvm_op: absent(XEN_ENOSYS, 'HVM guests only'),
  sysctl: absent(XEN_EPERM, 'for the control domain'),
  domctl: absent(XEN_EPERM, 'for the control domain'),
  kexec_op: absent(XEN_EPERM, 'for the hardware domain'),
  tmem_op: absent(XEN_ENOSYS, 'removed from Xen'),
  argo_op: absent(XEN_ENOSYS, 'not offered'),
  xenpmu_op: absent(XEN_EOPNOTSUPP, 'no performance counters'),
  dm_op: absent(XEN_EPERM, 'for device models'),
  hypfs_op: absent(XEN_EPERM, 'for the control domain'),
  arch_0: absent(XEN_EPERM, 'machine check: for the hardware domain'),
  arch_1: absent(XEN_ENOSYS, 'not defined'),
  arch_2: absent(XEN_ENOSYS, 'not defined'),
  arch_3: absent(XEN_ENOSYS, 'not defined'),
  arch_4: absent(XEN_ENOSYS, 'not defined'),
  arch_5: absent(XEN_ENOSYS, 'not defined'),
  arch_6: absent(XEN_ENOSYS, 'not defined'),
  arch_7: absent(XEN_ENOSYS, 'not defined'),
} satisfies Record<HypercallName, Binding>;

/** The bindings by hypercall number; undefined where there is no such hypercall. */
export function bindingsByNumber(): (Binding | undefined)[] {
  return HYPERCALL_NAMES.map((name) => (name === undefined ? undefined : HYPERCALL_TABLE[name]));
}
