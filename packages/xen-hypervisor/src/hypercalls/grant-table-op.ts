import {
  cacheFlush,
  copyGrant,
  type GrantTable,
  mapGrantRef,
  setVersion,
  swapGrantRefs,
  transferGrant,
  unmapGrantRef,
} from '@domu/grant-table/hypervisor';
import {
  __HYPERVISOR_grant_table_op,
  DOMID_SELF,
  GNTST_bad_domain,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTABOP_cache_flush,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
  GnttabCacheFlush,
  GnttabCopy,
  GnttabGetStatusFrames,
  GnttabGetVersion,
  GnttabMapGrantRef,
  GnttabQuerySize,
  GnttabSetupTable,
  GnttabSetVersion,
  GnttabSwapGrantRef,
  GnttabTransfer,
  GnttabUnmapAndReplace,
  GnttabUnmapGrantRef,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { VcpuGrantMapper } from '../vcpu-grant-mapper.ts';

/** Above the command lies where a cache flush goes on; other commands want nothing there. */
const CMD_MASK = 0xfff;
/** Looking through that many handles is a unit of work. */
const HANDLES_PER_WORK_UNIT = 64;

/**
 * HYPERVISOR_grant_table_op: `count` requests of one kind, each with its own status in the argument; the call itself then
 * returns 0. Source: xen/common/grant_table.c, "do_grant_table_op" @ RELEASE-4.18.0
 * @returns 0; -EINVAL bad count, -EFAULT, -ENOSYS unknown command, and errnos of the commands that have no status
 */
export function grantTableOp(caller: Caller, cmd: number, uop: number, count: number): number {
  if (count >>> 31 !== 0 || cmd > CMD_MASK) return -XEN_EINVAL;
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabMapGrantRef.size }, mapOne);
    case GNTTABOP_unmap_grant_ref:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabUnmapGrantRef.size }, unmapOne);
    case GNTTABOP_unmap_and_replace:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabUnmapAndReplace.size }, replaceOne);
    case GNTTABOP_copy:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabCopy.size }, copyOne);
    case GNTTABOP_transfer:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabTransfer.size }, transferOne);
    case GNTTABOP_swap_grant_ref:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabSwapGrantRef.size }, swapOne);
    case GNTTABOP_cache_flush:
      return forEachRequest(caller, { cmd, at: uop, count, size: GnttabCacheFlush.size }, flushOne);
    case GNTTABOP_setup_table:
      return count === 1 ? setupTable(caller, uop) : -XEN_EINVAL;
    case GNTTABOP_query_size:
      return count === 1 ? querySize(caller, uop) : -XEN_EINVAL;
    case GNTTABOP_set_version:
      return changeVersion(caller, uop);
    case GNTTABOP_get_status_frames:
      return count === 1 ? getStatusFrames(caller, uop) : -XEN_EINVAL;
    case GNTTABOP_get_version:
      return getVersion(caller, uop);
    default:
      return -XEN_ENOSYS;
  }
}

/** Handles a request, and writes its results into its own copy. @returns 0, or -errno to end the call where there is no status to tell */
type Request = (caller: Caller, view: DataView) => number;

function forEachRequest(
  caller: Caller,
  list: { readonly cmd: number; readonly at: number; readonly count: number; readonly size: number },
  handle: Request,
): number {
  const { cmd, at, count, size } = list;
  const { mem, machine } = caller;
  const { work } = machine;
  if (!mem.accessOk(at, count * size)) return -XEN_EFAULT;
  for (let i = 0; i < count; i++) {
    if (i > 0 && work.exhausted)
      return work.continueAs(__HYPERVISOR_grant_table_op, cmd, at + i * size, count - i);
    work.charge(1);
    const view = mem.readView(at + i * size, size);
    if (view === null) return -XEN_EFAULT;
    const rc = handle(caller, view);
    if (rc < 0) return rc;
    if (!mem.writeView(at + i * size, view)) return -XEN_EFAULT;
  }
  return 0;
}

function mapOne({ domain, vcpu }: Caller, view: DataView): number {
  const op = {
    hostAddr: GnttabMapGrantRef.host_addr.getNumber(view, 0),
    flags: GnttabMapGrantRef.flags.get(view, 0),
    ref: GnttabMapGrantRef.ref.get(view, 0),
    dom: GnttabMapGrantRef.dom.get(view, 0),
  };
  const mapped = mapGrantRef(domain.grants, op, new VcpuGrantMapper(vcpu));
  if (typeof mapped === 'number') {
    GnttabMapGrantRef.status.set(view, 0, mapped);
    return 0;
  }
  GnttabMapGrantRef.status.set(view, 0, GNTST_okay);
  GnttabMapGrantRef.handle.set(view, 0, mapped.handle);
  GnttabMapGrantRef.dev_bus_addr.setNumber(view, 0, mapped.mfn * 4096);
  return 0;
}

function unmapOne({ domain, vcpu }: Caller, view: DataView): number {
  const op = {
    hostAddr: GnttabUnmapGrantRef.host_addr.getNumber(view, 0),
    devBusAddr: GnttabUnmapGrantRef.dev_bus_addr.getNumber(view, 0),
    handle: GnttabUnmapGrantRef.handle.get(view, 0),
    newAddr: 0,
  };
  GnttabUnmapGrantRef.status.set(view, 0, unmapGrantRef(domain.grants, op, new VcpuGrantMapper(vcpu)));
  return 0;
}

function replaceOne({ domain, vcpu }: Caller, view: DataView): number {
  const op = {
    hostAddr: GnttabUnmapAndReplace.host_addr.getNumber(view, 0),
    devBusAddr: 0,
    handle: GnttabUnmapAndReplace.handle.get(view, 0),
    newAddr: GnttabUnmapAndReplace.new_addr.getNumber(view, 0),
  };
  GnttabUnmapAndReplace.status.set(view, 0, unmapGrantRef(domain.grants, op, new VcpuGrantMapper(vcpu)));
  return 0;
}

function copyOne({ domain }: Caller, view: DataView): number {
  const { source, dest, len, flags, status } = GnttabCopy;
  const op = {
    source: {
      refOrGfn: source.u.ref.get(view, 0),
      domid: source.domid.get(view, 0),
      offset: source.fields.offset.get(view, 0),
    },
    dest: {
      refOrGfn: dest.u.ref.get(view, 0),
      domid: dest.domid.get(view, 0),
      offset: dest.fields.offset.get(view, 0),
    },
    lengthBytes: len.get(view, 0),
    flags: flags.get(view, 0),
  };
  status.set(view, 0, copyGrant(domain.grants, op));
  return 0;
}

function transferOne({ domain }: Caller, view: DataView): number {
  const op = {
    gfn: GnttabTransfer.mfn.get(view, 0),
    domid: GnttabTransfer.domid.get(view, 0),
    ref: GnttabTransfer.ref.get(view, 0),
  };
  GnttabTransfer.status.set(view, 0, transferGrant(domain.grants, op));
  return 0;
}

function swapOne({ domain }: Caller, view: DataView): number {
  const { ref_a, ref_b, status } = GnttabSwapGrantRef;
  status.set(view, 0, swapGrantRefs(domain.grants, ref_a.get(view, 0), ref_b.get(view, 0)));
  return 0;
}

function flushOne({ domain, machine }: Caller, view: DataView): number {
  machine.work.charge(domain.grants.maptrack.size / HANDLES_PER_WORK_UNIT);
  return cacheFlush(domain.grants, {
    devBusAddr: GnttabCacheFlush.a.dev_bus_addr.getNumber(view, 0),
    offset: GnttabCacheFlush.offset.get(view, 0),
    lengthBytes: GnttabCacheFlush.length.get(view, 0),
    op: GnttabCacheFlush.op.get(view, 0),
  });
}

/** @returns the caller's table, or the GNTST_* code for naming somebody else */
function ownTable({ domain }: Caller, domid: number): GrantTable | number {
  if (domid === DOMID_SELF || domid === domain.id) return domain.grants;
  return domain.grants.peers(domid) === undefined ? GNTST_bad_domain : GNTST_permission_denied;
}

function setupTable(caller: Caller, uop: number): number {
  const { mem } = caller;
  const view = mem.readView(uop, GnttabSetupTable.size);
  if (view === null) return -XEN_EFAULT;
  const nrFrames = GnttabSetupTable.nr_frames.get(view, 0);
  const list = GnttabSetupTable.frame_list.get(view, 0);
  if (!mem.accessOk(list, nrFrames * 4)) return -XEN_EFAULT;
  const table = ownTable(caller, GnttabSetupTable.dom.get(view, 0));
  const status = typeof table === 'number' ? table : grow(caller, table, { nrFrames, list });
  return mem.writeU16(uop + GnttabSetupTable.status.offset, status) ? 0 : -XEN_EFAULT;
}

function grow(
  { domain, mem }: Caller,
  table: GrantTable,
  wanted: { nrFrames: number; list: number },
): number {
  const { nrFrames, list } = wanted;
  const status = table.grow(nrFrames);
  if (status !== GNTST_okay) return status;
  for (let i = 0; i < nrFrames; i++) {
    if (!mem.writeU32(list + 4 * i, domain.paging.toGfn(table.sharedFrame(i)))) return GNTST_bad_virt_addr;
  }
  return GNTST_okay;
}

function querySize(caller: Caller, uop: number): number {
  const { mem } = caller;
  const view = mem.readView(uop, GnttabQuerySize.size);
  if (view === null) return -XEN_EFAULT;
  const table = ownTable(caller, GnttabQuerySize.dom.get(view, 0));
  if (typeof table === 'number') {
    GnttabQuerySize.status.set(view, 0, table);
  } else {
    GnttabQuerySize.nr_frames.set(view, 0, table.nrFrames);
    GnttabQuerySize.max_nr_frames.set(view, 0, table.maxFrames);
    GnttabQuerySize.status.set(view, 0, GNTST_okay);
  }
  return mem.writeView(uop, view) ? 0 : -XEN_EFAULT;
}

function changeVersion({ domain, mem }: Caller, uop: number): number {
  const version = mem.readU32(uop + GnttabSetVersion.version.offset);
  if (version < 0) return -XEN_EFAULT;
  const rc = setVersion(domain.grants, version);
  return mem.writeU32(uop + GnttabSetVersion.version.offset, domain.grants.version) ? rc : -XEN_EFAULT;
}

function getStatusFrames(caller: Caller, uop: number): number {
  const { mem } = caller;
  const view = mem.readView(uop, GnttabGetStatusFrames.size);
  if (view === null) return -XEN_EFAULT;
  const nrFrames = GnttabGetStatusFrames.nr_frames.get(view, 0);
  const list = GnttabGetStatusFrames.frame_list.get(view, 0);
  if (!mem.accessOk(list, nrFrames * 8)) return -XEN_EFAULT;
  const table = ownTable(caller, GnttabGetStatusFrames.dom.get(view, 0));
  const status = typeof table === 'number' ? table : listStatusFrames(caller, table, { nrFrames, list });
  return mem.writeU16(uop + GnttabGetStatusFrames.status.offset, status) ? 0 : -XEN_EFAULT;
}

function listStatusFrames(
  { mem }: Caller,
  table: GrantTable,
  wanted: { nrFrames: number; list: number },
): number {
  const { nrFrames, list } = wanted;
  if (nrFrames > table.nrStatusFrames) return GNTST_general_error;
  for (let i = 0; i < nrFrames; i++) {
    if (!mem.writeU64(list + 8 * i, table.statusFrame(i), 0)) return GNTST_bad_virt_addr;
  }
  return GNTST_okay;
}

function getVersion(caller: Caller, uop: number): number {
  const { mem } = caller;
  const view = mem.readView(uop, GnttabGetVersion.size);
  if (view === null) return -XEN_EFAULT;
  const table = ownTable(caller, GnttabGetVersion.dom.get(view, 0));
  if (typeof table === 'number') return table === GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
  return mem.writeU32(uop + GnttabGetVersion.version.offset, table.version) ? 0 : -XEN_EFAULT;
}
