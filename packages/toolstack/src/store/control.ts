import type { XenStore } from '@domu/xenstore/server';
import { domainHome } from './domain-nodes.ts';

/** What a guest may be asked to do. Source: docs/misc/xenstore-paths.pandoc, "~/control/shutdown" */
export type ShutdownRequest = 'poweroff' | 'reboot' | 'halt' | 'suspend';

/** A guest that serves requests says so for each kind; `halt` is served by those that power off. */
const FEATURES: Readonly<Record<ShutdownRequest, string>> = {
  poweroff: 'feature-poweroff',
  halt: 'feature-poweroff',
  reboot: 'feature-reboot',
  suspend: 'feature-suspend',
};

/** Whether the guest has said that it serves such requests; older ones serve them without saying so. */
export function servesShutdown(store: XenStore, domid: number, request: ShutdownRequest): boolean {
  return store.read(`${domainHome(domid)}/control/${FEATURES[request]}`) === '1';
}

/**
 * Asks a guest to shut down. It acknowledges by emptying the node, and shuts down with the reason that goes with the word
 * whenever it likes, or never.
 */
export function requestShutdown(store: XenStore, domid: number, request: ShutdownRequest): void {
  store.write(`${domainHome(domid)}/control/shutdown`, request);
}

/** Whether the guest has taken note of the last request. */
export function shutdownAcknowledged(store: XenStore, domid: number): boolean {
  const pending = store.read(`${domainHome(domid)}/control/shutdown`);
  return pending === null || pending === '';
}

/** Presses a magic SysRq key. @param key one character, as after "echo … > /proc/sysrq-trigger" */
export function sendSysrq(store: XenStore, domid: number, key: string): void {
  store.write(`${domainHome(domid)}/control/sysrq`, key);
}

/**
 * Tells a guest how large the terminal of its console is, as "COLUMNSxROWS". It may look at the node, or watch it.
 * @param size in characters
 * Source: none; Xen has no node for it
 */
export function setConsoleSize(
  store: XenStore,
  domid: number,
  size: { readonly columns: number; readonly rows: number },
): void {
  store.write(`${domainHome(domid)}/control/console-size`, `${size.columns}x${size.rows}`);
}
