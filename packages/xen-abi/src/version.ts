/** Version, build information and features. Source: xen/include/public/version.h, features.h @ RELEASE-4.18.0 */
import { bytes, struct, u32, ulong } from './struct.ts';

/** Returns (major << 16) | minor. */
export const XENVER_version = 0;
export const XENVER_extraversion = 1;
export const XENVER_compile_info = 2;
export const XENVER_capabilities = 3;
export const XENVER_changeset = 4;
export const XENVER_platform_parameters = 5;
export const XENVER_get_features = 6;
export const XENVER_pagesize = 7;
export const XENVER_guest_handle = 8;
export const XENVER_commandline = 9;
export const XENVER_build_id = 10;
/** Sub-operations of xen_version, by name. */
export const XENVER = {
  XENVER_version,
  XENVER_extraversion,
  XENVER_compile_info,
  XENVER_capabilities,
  XENVER_changeset,
  XENVER_platform_parameters,
  XENVER_get_features,
  XENVER_pagesize,
  XENVER_guest_handle,
  XENVER_commandline,
  XENVER_build_id,
} as const;

/** Sizes in bytes of the text buffers. */
export const XEN_EXTRAVERSION_LEN = 16;
export const XEN_CAPABILITIES_INFO_LEN = 1024;
export const XEN_CHANGESET_INFO_LEN = 64;
/** sizeof(xen_commandline_t). */
export const XEN_COMMANDLINE_LEN = 1024;
/** sizeof(xen_domain_handle_t). */
export const XEN_DOMAIN_HANDLE_LEN = 16;

/** Bit numbers of features; submap index is the number divided by 32. */
export const XENFEAT_writable_page_tables = 0;
export const XENFEAT_writable_descriptor_tables = 1;
export const XENFEAT_auto_translated_physmap = 2;
export const XENFEAT_supervisor_mode_kernel = 3;
export const XENFEAT_pae_pgdir_above_4gb = 4;
export const XENFEAT_mmu_pt_update_preserve_ad = 5;
export const XENFEAT_highmem_assist = 6;
export const XENFEAT_gnttab_map_avail_bits = 7;
export const XENFEAT_hvm_callback_vector = 8;
export const XENFEAT_hvm_safe_pvclock = 9;
export const XENFEAT_hvm_pirqs = 10;
export const XENFEAT_dom0 = 11;
/** Withdrawn: later headers keep the number in a comment only. */
export const XENFEAT_grant_map_identity = 12;
export const XENFEAT_memory_op_vnode_supported = 13;
export const XENFEAT_ARM_SMCCC_supported = 14;
export const XENFEAT_linux_rsdp_unrestricted = 15;
export const XENFEAT_not_direct_mapped = 16;
export const XENFEAT_direct_mapped = 17;
export const XENFEAT_runstate_phys_area = 18;
export const XENFEAT_vcpu_time_phys_area = 19;
/** Feature submaps that exist. */
export const XENFEAT_NR_SUBMAPS = 1;

/** struct xen_compile_info. */
export const XenCompileInfo = struct('xen_compile_info', {
  compiler: bytes(64),
  compile_by: bytes(16),
  compile_domain: bytes(32),
  compile_date: bytes(32),
});

/** struct xen_platform_parameters. */
export const XenPlatformParameters = struct('xen_platform_parameters', { virt_start: ulong });

/** struct xen_feature_info. */
export const XenFeatureInfo = struct('xen_feature_info', {
  submap_idx: u32, // IN
  submap: u32, // bit per XENFEAT_* OUT
});
