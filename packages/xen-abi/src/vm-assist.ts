/** Optional behaviour that a guest switches on. Source: xen/include/public/xen.h @ RELEASE-4.18.0 */

/** vm_assist commands. */
export const VMASST_CMD_enable = 0;
export const VMASST_CMD_disable = 1;
/** Commands of vm_assist, by name. */
export const VMASST_CMD = { VMASST_CMD_enable, VMASST_CMD_disable } as const;
/** vm_assist types. */
export const VMASST_TYPE_4gb_segments = 0;
export const VMASST_TYPE_4gb_segments_notify = 1;
export const VMASST_TYPE_writable_pagetables = 2;
export const VMASST_TYPE_pae_extended_cr3 = 3;
export const VMASST_TYPE_architectural_iopl = 4;
export const VMASST_TYPE_runstate_update_flag = 5;
