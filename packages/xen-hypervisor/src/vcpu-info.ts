import { VcpuInfo, XEN_EACCES, XEN_EBUSY, XEN_EINVAL, XEN_ENXIO } from '@domu/xen-abi';
import { updateTimeRecord } from './time-records.ts';
import type { Vcpu } from './vcpu.ts';

const PAGE_SIZE = 4096;
const ALL_WORDS = 0xffff_ffff;

/**
 * Moves a vCPU's vcpu_info from shared_info into a page of the guest's (VCPUOP_register_vcpu_info), once. The record goes
 * along; everything is then marked pending so that no event is lost in between.
 * @param place frame, and byte offset of the record in it
 * @returns 0; -EBUSY done before, -ENXIO does not fit the page or is not aligned, -EINVAL not a frame of the domain's,
 *   -EACCES a page table or the like
 * Source: xen/common/domain.c, "map_guest_area" @ RELEASE-4.18.0
 */
export function registerVcpuInfo(
  vcpu: Vcpu,
  place: { readonly gfn: number; readonly offset: number },
): number {
  const { gfn, offset } = place;
  const { domain } = vcpu;
  const { machine, paging } = domain;
  if (offset >= PAGE_SIZE) return -XEN_EINVAL;
  if (vcpu.infoFrame >= 0) return -XEN_EBUSY;
  if (offset > PAGE_SIZE - VcpuInfo.size || offset % 4 !== 0) return -XEN_ENXIO;
  const mfn = paging.toMfn(gfn);
  if (!machine.frames.getPage(mfn, domain.id)) return -XEN_EINVAL;
  const rc = paging.getWritableFrame(mfn);
  machine.frames.putPage(mfn);
  if (rc !== 0) return -XEN_EACCES;

  const maddr = mfn * PAGE_SIZE + offset;
  const { u8, view } = machine.memory;
  u8.copyWithin(maddr, vcpu.infoMaddr, vcpu.infoMaddr + VcpuInfo.size);
  vcpu.infoFrame = mfn;
  vcpu.infoMaddr = maddr;
  VcpuInfo.evtchn_pending_sel.set(view, maddr, ALL_WORDS);
  vcpu.markEventsPending();
  updateTimeRecord(vcpu);
  return 0;
}
