/** Xen's virtual network interfaces as interfaces of the kernel, and their first configuration. */

import { NetFront } from '@domu/netfront';
import { type DhcpLease, formatIpv4, type NetInterface, parseIpv4 } from '@domu/netstack';
import { watchDevices } from '@domu/xenstore/client';
import { fromByteString } from '../abi/bytes.ts';
import { O_CREAT, O_EXCL, O_WRONLY } from '../abi/fcntl.ts';
import { letGo } from '../fs/file-handle.ts';
import type { FsContext } from '../fs/fs-context.ts';
import { KERNEL_CALLER } from '../fs/kernel-caller.ts';
import { macOf, type NetSide } from '../net/net-side.ts';
import type { Op } from '../task/wait.ts';
import type { Platform } from './platform.ts';

const RESOLVER_FILE = '/etc/resolv.conf';

/** What is done with interfaces as they come. */
export interface InterfaceEvents {
  appeared(netif: NetInterface): void;
  vanished(netif: NetInterface): void;
}

/** Connects to every virtual interface that there is or will be. */
export function watchInterfaces(platform: Platform, net: NetSide, listener: InterfaceEvents): void {
  const fronts = new Map<string, { readonly front: NetFront; netif: NetInterface | null }>();
  watchDevices(platform.store, 'vif', {
    appeared: (path) => {
      if (fronts.has(path)) return;
      const changed = (): void => {
        const known = fronts.get(path);
        if (known === undefined) return;
        const { front, netif } = known;
        if (front.link && netif === null) {
          known.netif = net.plug(front, macOf(front.mac ?? net.randomMac()), front.mtu ?? undefined);
          listener.appeared(known.netif);
        } else if (front.endedBecause !== null && netif !== null) {
          known.netif = null;
          netif.connect(null);
          listener.vanished(netif);
        } else if (front.link) netif?.resume();
      };
      const front = new NetFront({ ...platform, path, onChange: changed });
      fronts.set(path, { front, netif: null });
      changed();
    },
    vanished: (path) => {
      const { netif } = fronts.get(path) ?? {};
      fronts.delete(path);
      netif?.connect(null);
      if (netif) listener.vanished(netif);
    },
  });
}

export interface ConfigurationHost {
  readonly net: NetSide;
  readonly context: FsContext;
  log(text: string): void;
  /** Runs something in the background. */
  spawn(name: string, op: Op<number>): void;
}

/**
 * Configures an interface as `ip=` on the command line says (Linux Documentation/admin-guide/nfs/nfsroot.rst): `off` or `none`
 * leave it alone, `ADDRESS:SERVER:GATEWAY:MASK` sets it, anything else and no option at all ask by DHCP.
 */
export function configureInterface(
  host: ConfigurationHost,
  netif: NetInterface,
  option: string | null,
): void {
  const { net } = host;
  if (option === 'off' || option === 'none') return;
  const [address, , gateway, mask] = (option ?? '').split(':').map((part) => parseIpv4(part));
  if (address === undefined) return net.configureByDhcp(netif, (lease) => leased(host, netif, lease));
  netif.up = true;
  net.stack.addAddress(netif, address, Math.clz32(~(mask ?? 0xffffff00)));
  if (gateway !== undefined)
    net.stack.ipv4.routes.add({ destination: 0, prefixLength: 0, gateway, netif, metric: 0 });
  host.log(`${netif.name}: ${formatIpv4(address)}`);
}

function leased(host: ConfigurationHost, netif: NetInterface, lease: DhcpLease | undefined): void {
  if (lease === undefined) return host.log(`${netif.name}: lease lost`);
  const { address, prefixLength, router, nameServers } = lease;
  const via = router === undefined ? '' : `, gateway ${formatIpv4(router)}`;
  host.log(`${netif.name}: ${formatIpv4(address)}/${prefixLength} by DHCP${via}`);
  const text = nameServers.map((server) => `nameserver ${formatIpv4(server)}\n`).join('');
  if (text !== '') host.spawn('resolv.conf', writeResolver(host.context, text));
}

/** Only if there is none yet: what somebody has written is left alone. */
function* writeResolver(fs: FsContext, text: string): Op<number> {
  const walker = { caller: KERNEL_CALLER, fs };
  const flags = O_WRONLY | O_CREAT | O_EXCL;
  const file = yield* fs.vfs.open(walker, fs.root, RESOLVER_FILE, flags, 0o644);
  if (typeof file === 'number') return file;
  const result = yield* file.write(fromByteString(text), undefined, KERNEL_CALLER);
  letGo(file);
  return result;
}
