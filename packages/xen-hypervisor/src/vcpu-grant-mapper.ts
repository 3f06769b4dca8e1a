import type { GrantMapper } from '@domu/grant-table/hypervisor';
import type { GrantMapping } from '@domu/shadow-mmu';
import {
  GNTMAP_application_map,
  GNTMAP_contains_pte,
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
} from '@domu/xen-abi';
import type { Vcpu } from './vcpu.ts';

/** GNTMAP_guest_avail0 is bit 16: three bits that go into the entry's AVL field. */
const GUEST_AVAIL_SHIFT = 16;

/** Grant mappings in the page tables that a vCPU runs on. */
export class VcpuGrantMapper implements GrantMapper {
  readonly #vcpu: Vcpu;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
  }

  map(hostAddr: number, mfn: number, flags: number): number {
    const { paging, machine } = this.#vcpu.domain;
    const mapped = paging.mapGrant({
      ...this.#place(hostAddr, mfn, flags),
      // The handle's own references have just been taken from the grantor, so the frame is still its.
      owner: machine.frames.owner(mfn),
      applicationMap: (flags & GNTMAP_application_map) !== 0,
      availBits: (flags >>> GUEST_AVAIL_SHIFT) & 7,
    });
    return mapped ? GNTST_okay : GNTST_general_error;
  }

  replace(hostAddr: number, mfn: number, newAddr: number, flags: number): number {
    if (newAddr > 0xffff_ffff) return GNTST_general_error;
    const replaced = this.#vcpu.domain.paging.unmapGrant(this.#place(hostAddr, mfn, flags), newAddr);
    return replaced ? GNTST_okay : GNTST_general_error;
  }

  #place(hostAddr: number, mfn: number, flags: number): GrantMapping {
    return {
      root: this.#vcpu.rootMfn,
      hostAddrLo: hostAddr % 2 ** 32,
      hostAddrHi: Math.floor(hostAddr / 2 ** 32),
      containsPte: (flags & GNTMAP_contains_pte) !== 0,
      readonly: (flags & GNTMAP_readonly) !== 0,
      frame: mfn,
    };
  }
}
