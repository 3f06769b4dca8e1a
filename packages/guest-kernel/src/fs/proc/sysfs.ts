/** /sys, as far as small programs look: block devices, network interfaces, the console. */
import { SYSFS_MAGIC } from '../../abi/mount.ts';
import {
  directory,
  type SyntheticDirectory,
  SyntheticFs,
  type SyntheticNode,
  textFile,
} from '../synthetic.ts';
import type { Vfs } from '../vfs.ts';
import type { DiskView } from './procfs.ts';

/** What sysfs shows besides disks. */
export interface SysView {
  /** Names of the consoles' terminals, the preferred one last as in console/active. */
  consoles(): readonly string[];
  /** Attributes by interface name: address, mtu, operstate … */
  interfaces(): Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const line = (text: string | number): SyntheticNode => textFile(() => `${text}\n`);

function listing(
  names: () => readonly string[],
  find: (name: string) => SyntheticNode | undefined,
): SyntheticDirectory {
  return { kind: 'directory', names, find: (name) => (names().includes(name) ? find(name) : undefined) };
}

export function makeSysfs(vfs: Vfs, disks: DiskView, view: SysView): SyntheticFs {
  const isPart = (name: string) => /\d$/.test(name);
  const whole = () => disks.entries.map(({ name }) => name).filter((name) => !isPart(name));
  const block = listing(whole, (name) => {
    const parts = disks.entries.filter(
      (entry) => entry.name === name || (isPart(entry.name) && entry.name.startsWith(name)),
    );
    const describe = (entry: DiskView['entries'][number]) => ({
      dev: line(`${entry.major}:${entry.minor}`),
      size: line(entry.sectors),
      ro: line(0),
      uevent: textFile(() => `MAJOR=${entry.major}\nMINOR=${entry.minor}\nDEVNAME=${entry.name}\n`),
    });
    const own = parts.find((entry) => entry.name === name);
    if (own === undefined) return undefined;
    const children = Object.fromEntries(
      parts.filter((entry) => entry !== own).map((entry) => [entry.name, directory(describe(entry))]),
    );
    return directory({ ...describe(own), removable: line(0), ...children });
  });
  const net = listing(
    () => Object.keys(view.interfaces()),
    (name) => {
      const attributes = view.interfaces()[name] ?? {};
      return directory(
        Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, line(value)])),
      );
    },
  );
  const console = directory({ active: textFile(() => `${view.consoles().join(' ')}\n`) });
  const empty = () => directory({});
  const root = directory({
    block,
    bus: directory({ xen: directory({ devices: empty(), drivers: empty() }) }),
    class: directory({ block, net, tty: directory({ console }) }),
    dev: directory({ block: empty(), char: empty() }),
    devices: directory({
      system: directory({ cpu: directory({ online: line('0'), possible: line('0'), present: line('0') }) }),
    }),
    firmware: empty(),
    fs: empty(),
    hypervisor: directory({ type: line('xen') }),
    kernel: directory({ mm: empty() }),
    module: empty(),
    power: empty(),
  });
  return new SyntheticFs('sysfs', SYSFS_MAGIC, vfs.anonymousDev(), vfs.now, root);
}
