import { XenbusStateInitialising } from '@domu/xen-abi';
import type { XenStore } from '@domu/xenstore/server';
import type { ChannelSpec } from '../cfg/channel.ts';
import type { DiskSpec } from '../cfg/disk.ts';
import { formatMac, type PlannedVif } from '../cfg/vif-plan.ts';
import { domainHome, makeNode, writeAll } from './domain-nodes.ts';

/** Paths of the two ends of a device. */
export interface DevicePaths {
  readonly frontend: string;
  readonly backend: string;
}

/** Where a virtual disk of a domain lives in XenStore. */
export function vbdPaths(domid: number, devid: number): DevicePaths {
  return {
    frontend: `${domainHome(domid)}/device/vbd/${devid}`,
    backend: `/local/domain/0/backend/vbd/${domid}/${devid}`,
  };
}

/**
 * Writes both ends of a virtual disk in state Initialising. The frontend's directory belongs to the guest, the backend's to
 * domain 0; each may read the other's.
 * @returns the two paths
 * Source: tools/libs/light/libxl_disk.c, device_disk_add; libxl_device.c, libxl__device_generic_add
 */
export function createVbdNodes(store: XenStore, domid: number, disk: DiskSpec): DevicePaths {
  const paths = vbdPaths(domid, disk.devid);
  const deviceType = disk.cdrom ? 'cdrom' : 'disk';
  store.transaction((tx) => {
    makeNode(tx, paths.frontend, [`n${domid}`, 'r0']);
    writeAll(tx, paths.frontend, {
      backend: paths.backend,
      'backend-id': '0',
      state: String(XenbusStateInitialising),
      'virtual-device': String(disk.devid),
      'device-type': deviceType,
      trusted: '1',
      protocol: 'x86_32-abi',
    });
    makeNode(tx, paths.backend, ['n0', `r${domid}`]);
    writeAll(tx, paths.backend, {
      frontend: paths.frontend,
      params: disk.target,
      'frontend-id': String(domid),
      online: '1',
      removable: disk.cdrom ? '1' : '0',
      bootable: '1',
      state: String(XenbusStateInitialising),
      dev: disk.vdev,
      type: 'phy',
      mode: disk.readonly ? 'r' : 'w',
      'device-type': deviceType,
      'discard-enable': disk.discard ? '1' : '0',
      specification: 'xen',
    });
  });
  return paths;
}

/** Where a network interface of a domain lives in XenStore. */
export function vifPaths(domid: number, devid: number): DevicePaths {
  return {
    frontend: `${domainHome(domid)}/device/vif/${devid}`,
    backend: `/local/domain/0/backend/vif/${domid}/${devid}`,
  };
}

/**
 * Writes both ends of a network interface in state Initialising.
 * @returns the two paths
 * Source: tools/libs/light/libxl_nic.c, libxl__set_xenstore_nic
 */
export function createVifNodes(store: XenStore, domid: number, vif: PlannedVif): DevicePaths {
  const paths = vifPaths(domid, vif.devid);
  const both: Record<string, string> = {
    state: String(XenbusStateInitialising),
    handle: String(vif.devid),
    mac: formatMac(vif.mac),
    trusted: '1',
  };
  if (vif.mtu !== null) both.mtu = String(vif.mtu);
  const { script, ip, rate, vifname } = vif.host;
  const host = Object.entries({ script, ip, rate, vifname }).filter(([, value]) => value !== undefined);
  store.transaction((tx) => {
    makeNode(tx, paths.frontend, [`n${domid}`, 'r0']);
    writeAll(tx, paths.frontend, { ...both, backend: paths.backend, 'backend-id': '0' });
    makeNode(tx, paths.backend, ['n0', `r${domid}`]);
    writeAll(tx, paths.backend, {
      ...both,
      ...Object.fromEntries(host),
      frontend: paths.frontend,
      'frontend-id': String(domid),
      online: '1',
      type: 'vif',
      ...(vif.network.kind === 'switch' ? { bridge: vif.network.name } : {}),
    });
  });
  return paths;
}

/**
 * Writes both ends of a console beside the first one in state Initialising.
 * @param channel `devid` counts from 1; 0 is the first console
 * @returns the two paths
 * Source: tools/libs/light/libxl_console.c, libxl__device_console_add
 */
export function createChannelNodes(
  store: XenStore,
  domid: number,
  { devid, spec }: { readonly devid: number; readonly spec: ChannelSpec },
): DevicePaths {
  const paths = {
    frontend: `${domainHome(domid)}/device/console/${devid}`,
    backend: `/local/domain/0/backend/console/${domid}/${devid}`,
  };
  const state = String(XenbusStateInitialising);
  store.transaction((tx) => {
    makeNode(tx, paths.frontend, [`n${domid}`, 'r0']);
    writeAll(tx, paths.frontend, {
      backend: paths.backend,
      'backend-id': '0',
      state,
      limit: '1048576',
      type: 'ioemu',
      output: `chardev:libxl-channel${devid - 1}`,
      tty: '',
      ...(spec.name === null ? {} : { name: spec.name }),
    });
    makeNode(tx, paths.backend, ['n0', `r${domid}`]);
    writeAll(tx, paths.backend, {
      frontend: paths.frontend,
      'frontend-id': String(domid),
      online: '1',
      state,
      protocol: 'vt100',
      connection: spec.connection,
      ...(spec.name === null ? {} : { name: spec.name }),
    });
  });
  return paths;
}

/** Removes both ends of a device that has been closed. */
export function removeDeviceNodes(store: XenStore, { frontend, backend }: DevicePaths): void {
  store.transaction((tx) => {
    tx.rm(frontend);
    tx.rm(backend);
  });
}
