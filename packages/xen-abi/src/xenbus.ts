/** States of a device half in xenstore (`state` node, decimal). Source: xen/include/public/io/xenbus.h @ RELEASE-4.18.0 */

export const XenbusStateUnknown = 0;
export const XenbusStateInitialising = 1;
/** Waits for information from the peer or hotplug scripts. */
export const XenbusStateInitWait = 2;
/** Waits for a connection from the peer. */
export const XenbusStateInitialised = 3;
export const XenbusStateConnected = 4;
/** Closes because of an error or an unplug. */
export const XenbusStateClosing = 5;
export const XenbusStateClosed = 6;
export const XenbusStateReconfiguring = 7;
export const XenbusStateReconfigured = 8;
/** States, by name. */
export const XenbusStates = {
  XenbusStateUnknown,
  XenbusStateInitialising,
  XenbusStateInitWait,
  XenbusStateInitialised,
  XenbusStateConnected,
  XenbusStateClosing,
  XenbusStateClosed,
  XenbusStateReconfiguring,
  XenbusStateReconfigured,
} as const;
/** A device's state as xenstore has it, a number from 0 to 8. */
export type XenbusState = (typeof XenbusStates)[keyof typeof XenbusStates];
