import { XenbusStateInitialising } from '@domu/xen-abi';
import type { XenStore } from '@domu/xenstore/server';
import type { DiskSpec } from '../cfg/disk.ts';
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
