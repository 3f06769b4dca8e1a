/** The page shared by Xen and a domain. Source: xen/include/public/xen.h, arch-x86/xen.h, arch-x86/xen-x86_32.h @ RELEASE-4.18.0 */
import { array, arrayOf, nested, s8, struct, u8, u32, u64, ulong } from './struct.ts';

/** vcpu_info records within shared_info; further vCPUs must register their own. */
export const XEN_LEGACY_MAX_VCPUS = 32;

/** vcpu_time_info.flags: the TSC is synchronous on all vCPUs. */
export const XEN_PVCLOCK_TSC_STABLE_BIT = 1;
/** vcpu_time_info.flags: the guest was stopped by its host. */
export const XEN_PVCLOCK_GUEST_STOPPED = 2;

/**
 * struct vcpu_time_info: system time as a linear function of the TSC.
 * Read under `version`: odd while Xen writes, changed by every update.
 */
export const VcpuTimeInfo = struct('vcpu_time_info', {
  version: u32, // [XEN]
  pad0: u32,
  tsc_timestamp: u64, // TSC at `system_time`                          [XEN]
  system_time: u64, // ns since boot at `tsc_timestamp`                [XEN]
  tsc_to_system_mul: u32, // ns per (shifted) tick, 32.32 fixed point  [XEN]
  tsc_shift: s8, // left shift of the tick difference, right if negative [XEN]
  flags: u8, // XEN_PVCLOCK_*                                          [XEN]
  pad1: array(u8, 2),
});

/** struct arch_vcpu_info (i386). */
export const ArchVcpuInfo = struct('arch_vcpu_info', {
  cr2: ulong, // linear address of the last page fault [XEN]
  pad: array(ulong, 5),
});

/** struct vcpu_info. */
export const VcpuInfo = struct('vcpu_info', {
  evtchn_upcall_pending: u8, // nonzero: events wait for this vCPU  [XEN,GST]
  evtchn_upcall_mask: u8, // nonzero: upcalls are held back         [XEN,GST]
  evtchn_pending_sel: ulong, // words of evtchn_pending with events [XEN,GST]
  arch: nested(ArchVcpuInfo),
  time: nested(VcpuTimeInfo),
});

/** struct arch_shared_info (i386). */
export const ArchSharedInfo = struct('arch_shared_info', {
  max_pfn: ulong, // highest pfn in the p2m list, plus one  [GST]
  pfn_to_mfn_frame_list_list: ulong, // frame of the p2m's frame list of lists [GST]
  nmi_reason: ulong, // XEN_NMIREASON_*                     [XEN]
  p2m_cr3: ulong, // cr3 of the address space of p2m_vaddr  [GST]
  p2m_vaddr: ulong, // linear address of the p2m list       [GST]
  p2m_generation: ulong, // bumped around p2m changes       [GST]
  wc_sec_hi: u32, // upper half of wc_sec                   [XEN]
});

/** struct shared_info. */
export const SharedInfo = struct('shared_info', {
  vcpu_info: arrayOf(VcpuInfo, XEN_LEGACY_MAX_VCPUS),
  evtchn_pending: array(ulong, 32), // one bit per port     [XEN,GST]
  evtchn_mask: array(ulong, 32), // one bit per port        [GST]
  wc_version: u32, // odd while Xen writes wc_*             [XEN]
  wc_sec: u32, // wall clock at system time 0, seconds      [XEN]
  wc_nsec: u32, // ... and nanoseconds                      [XEN]
  arch: nested(ArchSharedInfo),
});

/** arch_shared_info.nmi_reason bits. Source: xen/include/public/nmi.h */
export const XEN_NMIREASON_io_error = 1;
export const XEN_NMIREASON_pci_serr = 2;
export const XEN_NMIREASON_unknown = 4;
