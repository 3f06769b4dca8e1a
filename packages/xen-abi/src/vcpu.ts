/** vCPU registers, context and operations. Source: xen/include/public/vcpu.h, arch-x86/xen.h, arch-x86/xen-x86_32.h @ RELEASE-4.18.0 */
import {
  array,
  arrayOf,
  arrayU64,
  bytes,
  nested,
  s32,
  struct,
  u8,
  u16,
  u32,
  u64,
  ulong,
  union,
} from './struct.ts';

/** Registers ready VCPUOP_up. */
export const VCPUOP_initialise = 0;
export const VCPUOP_up = 1;
export const VCPUOP_down = 2;
/** Returns 1 if up, 0 if down. */
export const VCPUOP_is_up = 3;
export const VCPUOP_get_runstate_info = 4;
export const VCPUOP_register_runstate_memory_area = 5;
export const VCPUOP_set_periodic_timer = 6;
export const VCPUOP_stop_periodic_timer = 7;
export const VCPUOP_set_singleshot_timer = 8;
export const VCPUOP_stop_singleshot_timer = 9;
export const VCPUOP_register_vcpu_info = 10;
export const VCPUOP_send_nmi = 11;
export const VCPUOP_get_physid = 12;
export const VCPUOP_register_vcpu_time_memory_area = 13;
export const VCPUOP_register_runstate_phys_area = 14;
export const VCPUOP_register_vcpu_time_phys_area = 15;
/** Sub-operations of vcpu_op, by name. */
export const VCPUOP = {
  VCPUOP_initialise,
  VCPUOP_up,
  VCPUOP_down,
  VCPUOP_is_up,
  VCPUOP_get_runstate_info,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_set_periodic_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_register_vcpu_info,
  VCPUOP_send_nmi,
  VCPUOP_get_physid,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_register_runstate_phys_area,
  VCPUOP_register_vcpu_time_phys_area,
} as const;

/** vcpu_runstate_info.state values and indices of its time[]. */
export const RUNSTATE_running = 0;
export const RUNSTATE_runnable = 1;
export const RUNSTATE_blocked = 2;
export const RUNSTATE_offline = 3;
/** Upper half of XEN_RUNSTATE_UPDATE (bit 63 of state_entry_time): set while Xen updates the record. */
export const XEN_RUNSTATE_UPDATE_HI = 0x8000_0000;

/** vcpu_set_singleshot_timer.flags: refuse a timeout in the past with -XEN_ETIME. */
export const VCPU_SSHOTTMR_future = 1;

/** vcpu_guest_context.flags bits. */
export const VGCF_i387_valid = 1;
export const VGCF_in_kernel = 4;
export const VGCF_failsafe_disables_events = 8;
export const VGCF_syscall_disables_events = 16;
export const VGCF_online = 32;

/** trap_info.flags: bits 0-1, the gate's DPL for `int n`. */
export const TI_DPL_MASK = 3;
/** trap_info.flags: delivery sets the event mask, as an interrupt gate clears IF. */
export const TI_IF = 4;

/** struct cpu_user_regs (i386). */
export const CpuUserRegs = struct('cpu_user_regs', {
  ebx: u32,
  ecx: u32,
  edx: u32,
  esi: u32,
  edi: u32,
  ebp: u32,
  eax: u32,
  error_code: u16,
  entry_vector: u16,
  eip: u32,
  cs: u16,
  saved_upcall_mask: u8,
  _pad0: u8,
  eflags: u32,
  esp: u32,
  ss: u16,
  _pad1: u16,
  es: u16,
  _pad2: u16,
  ds: u16,
  _pad3: u16,
  fs: u16,
  _pad4: u16,
  gs: u16,
  _pad5: u16,
});

/** struct trap_info: one entry of set_trap_table; address 0 ends the list. */
export const TrapInfo = struct('trap_info', {
  vector: u8, // [GST]
  flags: u8, // DPL in bits 0-1, TI_IF                  [GST]
  cs: u16, // [GST]
  address: ulong, // [GST]
});

/** struct vcpu_guest_context (i386): argument of VCPUOP_initialise. */
export const VcpuGuestContext = struct('vcpu_guest_context', {
  fpu_ctxt: nested(struct('', { x: bytes(512) })), // FXSAVE image
  flags: ulong, // VGCF_*
  user_regs: nested(CpuUserRegs),
  trap_ctxt: arrayOf(TrapInfo, 256),
  ldt_base: ulong, // linear address
  ldt_ents: ulong,
  gdt_frames: array(ulong, 16), // machine frames
  gdt_ents: ulong,
  kernel_ss: ulong, // virtual TSS
  kernel_sp: ulong,
  ctrlreg: array(ulong, 8), // CR0-CR7
  debugreg: array(ulong, 8), // DR0-DR7
  event_callback_cs: ulong,
  event_callback_eip: ulong,
  failsafe_callback_cs: ulong,
  failsafe_callback_eip: ulong,
  vm_assist: ulong, // bit per VMASST_TYPE_*
});

/** struct vcpu_runstate_info. */
export const VcpuRunstateInfo = struct('vcpu_runstate_info', {
  state: s32, // RUNSTATE_*                                        [XEN]
  state_entry_time: u64, // system time of the last change, ns     [XEN]
  time: arrayU64(4), // ns spent in each state                     [XEN]
});

/** struct vcpu_register_runstate_memory_area. */
export const VcpuRegisterRunstateMemoryArea = struct('vcpu_register_runstate_memory_area', {
  addr: nested(union('', { v: ulong, p: u64 })), // linear address (v); gpa for the phys variant (p)
});

/** struct vcpu_set_periodic_timer. */
export const VcpuSetPeriodicTimer = struct('vcpu_set_periodic_timer', { period_ns: u64 });

/** struct vcpu_set_singleshot_timer. */
export const VcpuSetSingleshotTimer = struct('vcpu_set_singleshot_timer', {
  timeout_abs_ns: u64, // absolute system time
  flags: u32, // VCPU_SSHOTTMR_*
});

/** struct vcpu_register_vcpu_info. */
export const VcpuRegisterVcpuInfo = struct('vcpu_register_vcpu_info', {
  mfn: u64, // gfn of the page for vcpu_info
  offset: u32, // of vcpu_info in it, bytes
  rsvd: u32,
});

/** struct vcpu_get_physid. */
export const VcpuGetPhysid = struct('vcpu_get_physid', { phys_id: u64 });

/** struct vcpu_register_time_memory_area. */
export const VcpuRegisterTimeMemoryArea = struct('vcpu_register_time_memory_area', {
  addr: nested(union('', { v: ulong, p: u64 })), // linear address (v); gpa for the phys variant (p)
});
