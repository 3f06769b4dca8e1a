import type { GrantTable } from '@domu/grant-table/hypervisor';
import {
  checkInvariants,
  DirectPaging,
  type HeldReference,
  PGT_seg_desc_page,
  PGT_writable_page,
} from '@domu/shadow-mmu';
import { GNTMAP_device_map, GNTMAP_host_map, GNTMAP_readonly } from '@domu/xen-abi';
import type { Domain } from '../src/domain.ts';
import type { Machine } from '../src/machine.ts';

/** Every grant table there is: of dead domains too, while others hold their grants. */
function grantTables(machine: Machine): GrantTable[] {
  const living = [machine.host.grantTable, ...[...machine.domains.values()].map((domain) => domain.grants)];
  const grantors = living.flatMap((table) => table.maptrack.live().map(([, mapping]) => mapping.grantor));
  return [...new Set([...living, ...grantors])];
}

/** Direct tables are counted with their type, translated ones as mere frames. */
const rootType = ({ paging }: Domain): number => (paging instanceof DirectPaging ? paging.rootType : -1);

function vcpuReferences(domain: Domain): HeldReference[] {
  return domain.vcpus.flatMap((vcpu) => {
    const held: HeldReference[] = [];
    if (vcpu.rootMfn > 0) held.push({ mfn: vcpu.rootMfn, type: rootType(domain) });
    for (const mfn of [...vcpu.gdtFrames, ...vcpu.ldtFrames])
      if (mfn >= 0) held.push({ mfn, type: PGT_seg_desc_page });
    for (const mfn of [vcpu.infoFrame, vcpu.timeArea.mfn, vcpu.runstateArea.mfn])
      if (mfn >= 0) held.push({ mfn, type: PGT_writable_page });
    return held;
  });
}

/** What each handle holds of the frame that it maps, whatever the page tables say. */
function grantReferences(table: GrantTable): HeldReference[] {
  const shared = [...table.entries.frames, ...table.entries.statusFrames].map((mfn) => ({ mfn, type: -1 }));
  const mapped = table.maptrack.live().flatMap(([, { grantor, ref, flags }]) => {
    const type = (flags & GNTMAP_readonly) !== 0 ? -1 : PGT_writable_page;
    const kinds = [GNTMAP_device_map, GNTMAP_host_map].filter((kind) => (flags & kind) !== 0);
    return kinds.map(() => ({ mfn: grantor.active(ref).mfn, type }));
  });
  return [...shared, ...mapped];
}

/**
 * Recounts a whole machine: frames and page tables, event channels, grants. Slow; for tests.
 * @returns what is wrong, in words; empty when all is well
 */
export function machineProblems(machine: Machine): string[] {
  const domains = [...machine.domains.values()];
  const tables = grantTables(machine);
  const problems: string[] = [];
  const check = (what: () => void): void => {
    try {
      what();
    } catch (error) {
      problems.push((error as Error).message);
    }
  };
  for (const table of tables) check(() => table.checkInvariants(tables));
  for (const channels of [machine.host.channels, ...domains.map((domain) => domain.evtchn)])
    check(() => channels.checkInvariants());
  const granted = new Set(
    domains.flatMap(({ id, grants }) =>
      grants.maptrack.live().map(([, { grantor, ref }]) => `${id}:${grantor.active(ref).mfn}`),
    ),
  );
  const held = [
    ...domains.flatMap((domain) => [
      ...vcpuReferences(domain),
      ...domain.paging.held(),
      ...domain.evtchn.heldFrames().map((mfn) => ({ mfn, type: PGT_writable_page })),
    ]),
    ...tables.flatMap(grantReferences),
  ];
  const frames = checkInvariants(machine.frames, {
    domains: domains.flatMap(({ paging }) => (paging instanceof DirectPaging ? [paging] : [])),
    held,
    isGranted: (domid, mfn) => granted.has(`${domid}:${mfn}`),
  });
  return [...problems, ...frames, ...domains.flatMap((domain) => physmapProblems(machine, domain))];
}

/** A translated domain's names: each of a frame of its own, and known to the machine-to-phys table. */
function physmapProblems({ frames, m2p }: Machine, { id, paging }: Domain): string[] {
  if (paging instanceof DirectPaging) return [];
  const problems: string[] = [];
  for (let gfn = 0; gfn <= Math.min(paging.highestGfn(), 4096); gfn++) {
    const mfn = paging.toMfn(gfn);
    if (mfn >= 0 && (frames.owner(mfn) !== id || m2p.get(mfn) !== gfn))
      problems.push(`domain ${id}: gfn ${gfn} is frame ${mfn} of ${frames.owner(mfn)}, m2p ${m2p.get(mfn)}`);
  }
  return problems;
}
