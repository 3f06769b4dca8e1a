import type { XenStoreClient } from './client.ts';

/** What a kernel does about devices of one class. */
export interface DeviceListener {
  /** @param path the device's directory, as `device/vbd/51712` */
  appeared(path: string): void;
  /** The toolstack has removed the directory. */
  vanished(path: string): void;
}

/**
 * Tells which devices of a class there are, and which come and go at run time.
 * @param deviceClass vbd, vif, …
 * @returns stops telling
 */
export function watchDevices(
  client: XenStoreClient,
  deviceClass: string,
  listener: DeviceListener,
): () => void {
  const directory = `device/${deviceClass}`;
  const known = new Set<string>();
  let active = true;
  const compare = (names: readonly string[]): void => {
    const now = new Set(names);
    for (const name of [...known]) {
      if (now.has(name) || !known.delete(name)) continue;
      listener.vanished(`${directory}/${name}`);
    }
    for (const name of now) {
      if (known.has(name)) continue;
      known.add(name);
      listener.appeared(`${directory}/${name}`);
    }
  };
  const token = client.watch(
    directory,
    (path) => {
      // What happens below a device that is known is its own affair, except that it goes.
      const [, , name, node] = path.split('/');
      if (node !== undefined && known.has(name)) return;
      client.directory(directory, (outcome) => {
        if (!active) return;
        if (outcome.state === 'ok') compare(outcome.value);
        else if (outcome.error === 'ENOENT') compare([]);
      });
    },
    () => {},
  );
  return () => {
    active = false;
    client.unwatch(directory, token, () => {});
  };
}
