/**
 * The hypercalls and their arguments: one row each, from which dispatch, traces and guest stubs are made.
 * Source: xen/include/public/xen.h and the headers of each family @ RELEASE-4.18.0
 */
import { CALLBACKOP, XENNMI } from './callback.ts';
import { CONSOLEIO } from './console.ts';
import { EVTCHNOP } from './event-channel.ts';
import { GNTTABOP } from './grant-table.ts';
import * as nr from './hypercall-numbers.ts';
import { XENMEM } from './memory.ts';
import { PHYSDEVOP } from './physdev.ts';
import { SCHEDOP } from './sched.ts';
import { VCPUOP } from './vcpu.ts';
import { XENVER } from './version.ts';
import { VMASST_CMD } from './vm-assist.ts';

/** How an argument register is read: a number, a linear address, half of a 64-bit value, or a sub-operation. */
export type ArgKind = 'u32' | 'ptr' | 'lo' | 'hi' | 'enum';

/** One argument of a hypercall. */
export interface HypercallArg {
  readonly name: string;
  readonly kind: ArgKind;
  /** Names and numbers of an 'enum'. */
  readonly values?: Readonly<Record<string, number>>;
}

/** One hypercall: its number, and its arguments in the order ebx, ecx, edx, esi, edi. */
export interface HypercallSignature {
  readonly nr: number;
  readonly args: readonly HypercallArg[];
}

type Arg = Omit<HypercallArg, 'name'>;

const u32: Arg = { kind: 'u32' };
const ptr: Arg = { kind: 'ptr' };
const lo: Arg = { kind: 'lo' };
const hi: Arg = { kind: 'hi' };

function enumOf(values: Readonly<Record<string, number>>): Arg {
  return { kind: 'enum', values };
}

function sig(number: number, args: Readonly<Record<string, Arg>>): HypercallSignature {
  return { nr: number, args: Object.entries(args).map(([name, arg]) => ({ name, ...arg })) };
}

/** Every hypercall, by its name without `__HYPERVISOR_`. */
export const HYPERCALLS = {
  set_trap_table: sig(nr.__HYPERVISOR_set_trap_table, { traps: ptr }),
  mmu_update: sig(nr.__HYPERVISOR_mmu_update, { ureqs: ptr, count: u32, pdone: ptr, foreigndom: u32 }),
  set_gdt: sig(nr.__HYPERVISOR_set_gdt, { frame_list: ptr, entries: u32 }),
  stack_switch: sig(nr.__HYPERVISOR_stack_switch, { ss: u32, esp: u32 }),
  set_callbacks: sig(nr.__HYPERVISOR_set_callbacks, {
    event_selector: u32,
    event_address: u32,
    failsafe_selector: u32,
    failsafe_address: u32,
  }),
  fpu_taskswitch: sig(nr.__HYPERVISOR_fpu_taskswitch, { set: u32 }),
  sched_op_compat: sig(nr.__HYPERVISOR_sched_op_compat, { cmd: enumOf(SCHEDOP), arg: u32 }),
  platform_op: sig(nr.__HYPERVISOR_platform_op, { op: ptr }),
  set_debugreg: sig(nr.__HYPERVISOR_set_debugreg, { reg: u32, value: u32 }),
  get_debugreg: sig(nr.__HYPERVISOR_get_debugreg, { reg: u32 }),
  update_descriptor: sig(nr.__HYPERVISOR_update_descriptor, {
    gaddr_lo: lo,
    gaddr_hi: hi,
    desc_lo: lo,
    desc_hi: hi,
  }),
  memory_op: sig(nr.__HYPERVISOR_memory_op, { cmd: enumOf(XENMEM), arg: ptr }),
  multicall: sig(nr.__HYPERVISOR_multicall, { call_list: ptr, nr_calls: u32 }),
  update_va_mapping: sig(nr.__HYPERVISOR_update_va_mapping, { va: u32, val_lo: lo, val_hi: hi, flags: u32 }),
  set_timer_op: sig(nr.__HYPERVISOR_set_timer_op, { timeout_lo: lo, timeout_hi: hi }),
  event_channel_op_compat: sig(nr.__HYPERVISOR_event_channel_op_compat, { op: ptr }),
  xen_version: sig(nr.__HYPERVISOR_xen_version, { cmd: enumOf(XENVER), arg: ptr }),
  console_io: sig(nr.__HYPERVISOR_console_io, { cmd: enumOf(CONSOLEIO), count: u32, buffer: ptr }),
  physdev_op_compat: sig(nr.__HYPERVISOR_physdev_op_compat, { op: ptr }),
  grant_table_op: sig(nr.__HYPERVISOR_grant_table_op, { cmd: enumOf(GNTTABOP), uop: ptr, count: u32 }),
  vm_assist: sig(nr.__HYPERVISOR_vm_assist, { cmd: enumOf(VMASST_CMD), type: u32 }),
  update_va_mapping_otherdomain: sig(nr.__HYPERVISOR_update_va_mapping_otherdomain, {
    va: u32,
    val_lo: lo,
    val_hi: hi,
    flags: u32,
    domid: u32,
  }),
  iret: sig(nr.__HYPERVISOR_iret, {}),
  vcpu_op: sig(nr.__HYPERVISOR_vcpu_op, { cmd: enumOf(VCPUOP), vcpuid: u32, arg: ptr }),
  set_segment_base: sig(nr.__HYPERVISOR_set_segment_base, { which: u32, base: u32 }),
  mmuext_op: sig(nr.__HYPERVISOR_mmuext_op, { uops: ptr, count: u32, pdone: ptr, foreigndom: u32 }),
  xsm_op: sig(nr.__HYPERVISOR_xsm_op, { op: ptr }),
  nmi_op: sig(nr.__HYPERVISOR_nmi_op, { cmd: enumOf(XENNMI), arg: ptr }),
  sched_op: sig(nr.__HYPERVISOR_sched_op, { cmd: enumOf(SCHEDOP), arg: ptr }),
  callback_op: sig(nr.__HYPERVISOR_callback_op, { cmd: enumOf(CALLBACKOP), arg: ptr }),
  xenoprof_op: sig(nr.__HYPERVISOR_xenoprof_op, { op: u32, arg: ptr }),
  event_channel_op: sig(nr.__HYPERVISOR_event_channel_op, { cmd: enumOf(EVTCHNOP), arg: ptr }),
  physdev_op: sig(nr.__HYPERVISOR_physdev_op, { cmd: enumOf(PHYSDEVOP), arg: ptr }),
  hvm_op: sig(nr.__HYPERVISOR_hvm_op, { op: u32, arg: ptr }),
  sysctl: sig(nr.__HYPERVISOR_sysctl, { op: ptr }),
  domctl: sig(nr.__HYPERVISOR_domctl, { op: ptr }),
  kexec_op: sig(nr.__HYPERVISOR_kexec_op, { op: u32, uarg: ptr }),
  tmem_op: sig(nr.__HYPERVISOR_tmem_op, { op: ptr }),
  argo_op: sig(nr.__HYPERVISOR_argo_op, { cmd: u32, arg1: ptr, arg2: ptr, arg3: u32, arg4: u32 }),
  xenpmu_op: sig(nr.__HYPERVISOR_xenpmu_op, { op: u32, arg: ptr }),
  dm_op: sig(nr.__HYPERVISOR_dm_op, { domid: u32, nr_bufs: u32, bufs: ptr }),
  hypfs_op: sig(nr.__HYPERVISOR_hypfs_op, { cmd: u32, arg1: ptr, arg2: u32, arg3: ptr, arg4: u32 }),
  arch_0: sig(nr.__HYPERVISOR_arch_0, { arg: ptr }),
  arch_1: sig(nr.__HYPERVISOR_arch_1, { arg: ptr }),
  arch_2: sig(nr.__HYPERVISOR_arch_2, { arg: ptr }),
  arch_3: sig(nr.__HYPERVISOR_arch_3, { arg: ptr }),
  arch_4: sig(nr.__HYPERVISOR_arch_4, { arg: ptr }),
  arch_5: sig(nr.__HYPERVISOR_arch_5, { arg: ptr }),
  arch_6: sig(nr.__HYPERVISOR_arch_6, { arg: ptr }),
  arch_7: sig(nr.__HYPERVISOR_arch_7, { arg: ptr }),
} satisfies Record<string, HypercallSignature>;

/** Name of a hypercall; `arch_0` is machine check (mca). */
export type HypercallName = keyof typeof HYPERCALLS;

/** Names by number; numbers without a hypercall are undefined. */
export const HYPERCALL_NAMES: readonly (HypercallName | undefined)[] = namesByNumber();

/** @returns the name of hypercall `number`, or undefined */
export function hypercallName(number: number): HypercallName | undefined {
  return HYPERCALL_NAMES[number];
}

function namesByNumber(): (HypercallName | undefined)[] {
  const names: (HypercallName | undefined)[] = new Array(64).fill(undefined);
  for (const name of Object.keys(HYPERCALLS) as HypercallName[]) names[HYPERCALLS[name].nr] = name;
  return names;
}
