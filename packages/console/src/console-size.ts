import type { XenStoreClient } from '@domu/xenstore/client';

/** A terminal's size in characters. */
export interface ConsoleSize {
  readonly columns: number;
  readonly rows: number;
}

const NODE = 'control/console-size';

/**
 * Tells the size of the terminal behind the first console: soon, if the host has said it, and whenever it changes. A host
 * that says nothing, or nonsense, is not told of.
 * @returns stops telling
 */
export function watchConsoleSize(store: XenStoreClient, tell: (size: ConsoleSize) => void): () => void {
  let active = true;
  const token = store.watch(
    NODE,
    () =>
      store.read(NODE, (outcome) => {
        const text = outcome.state === 'ok' ? String.fromCharCode(...outcome.value.subarray(0, 16)) : '';
        const match = /^([0-9]{1,4})x([0-9]{1,4})$/.exec(text);
        if (!active || match === null) return;
        const [columns, rows] = [Number(match[1]), Number(match[2])];
        if (columns > 0 && rows > 0) tell({ columns, rows });
      }),
    () => {},
  );
  return () => {
    active = false;
    store.unwatch(NODE, token, () => {});
  };
}
