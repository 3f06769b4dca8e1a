/** What the toolstack asks of the domain: control/shutdown and control/sysrq. Source: docs/misc/xenstore-paths.pandoc. */
import type { Platform } from './platform.ts';

export interface ControlHandler {
  shutdown(how: 'poweroff' | 'reboot'): void;
  /** A magic SysRq key. */
  sysrq(key: string): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Says what can be asked for, and listens. */
export function serveControl({ store }: Platform, handler: ControlHandler): void {
  for (const feature of ['feature-poweroff', 'feature-reboot'])
    store.write(`control/${feature}`, encoder.encode('1'), () => {});
  listen(store, 'control/shutdown', (word) => {
    if (word === 'poweroff' || word === 'halt') handler.shutdown('poweroff');
    else if (word === 'reboot') handler.shutdown('reboot');
  });
  listen(store, 'control/sysrq', (key) => handler.sysrq(key));
}

/** Takes each word that appears in a node, and empties the node to say so. */
function listen(store: Platform['store'], path: string, take: (word: string) => void): void {
  const look = (): void =>
    store.read(path, (outcome) => {
      if (outcome.state !== 'ok' || outcome.value.length === 0) return;
      const word = decoder.decode(outcome.value);
      store.write(path, new Uint8Array(0), () => {});
      take(word.replace(/\0.*$/s, ''));
    });
  store.watch(path, look, () => {});
}
