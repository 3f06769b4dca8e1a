/** Callbacks from Xen into the guest kernel. Source: xen/include/public/callback.h, nmi.h @ RELEASE-4.18.0 */
import { nested, struct, u16, ulong } from './struct.ts';

/** Event-channel upcall. */
export const CALLBACKTYPE_event = 0;
/** Segment or iret fault on the way back to the guest. */
export const CALLBACKTYPE_failsafe = 1;
/** 64-bit guests only. */
export const CALLBACKTYPE_syscall = 2;
/** The number sysenter had in Xen 3.0. */
export const CALLBACKTYPE_sysenter_deprecated = 3;
export const CALLBACKTYPE_nmi = 4;
export const CALLBACKTYPE_sysenter = 5;
/** AMD syscall from a 32-bit program. */
export const CALLBACKTYPE_syscall32 = 7;

/** callback_register.flags: mask events on delivery (the event callback always does). */
export const CALLBACKF_mask_events = 1;

export const CALLBACKOP_register = 0;
export const CALLBACKOP_unregister = 1;
/** Sub-operations of callback_op, by name. */
export const CALLBACKOP = { CALLBACKOP_register, CALLBACKOP_unregister } as const;

export const XENNMI_register_callback = 0;
export const XENNMI_unregister_callback = 1;
/** Sub-operations of nmi_op, by name. */
export const XENNMI = { XENNMI_register_callback, XENNMI_unregister_callback } as const;

/** struct xen_callback (i386). */
export const XenCallback = struct('xen_callback', { cs: ulong, eip: ulong });

/** struct callback_register (CALLBACKOP_register). */
export const CallbackRegister = struct('callback_register', {
  type: u16, // CALLBACKTYPE_*
  flags: u16, // CALLBACKF_*
  address: nested(XenCallback),
});

/** struct callback_unregister (CALLBACKOP_unregister). */
export const CallbackUnregister = struct('callback_unregister', {
  type: u16, // CALLBACKTYPE_*
  _unused: u16,
});
