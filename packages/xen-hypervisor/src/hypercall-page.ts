import { __HYPERVISOR_iret, HYPERCALL_SLOT_BYTES, HYPERCALL_SLOTS, HYPERCALL_VECTOR } from '@domu/xen-abi';

/**
 * Fills a page with one stub per hypercall: `mov $nr,%eax; int $0x82; ret`, and for iret `push %eax; mov; int`.
 * Slots beyond the known hypercalls work too: the dispatcher refuses their numbers.
 * Source: xen/arch/x86/pv/hypercall.c pv_ring1_init_hypercall_page @ RELEASE-4.18.0
 * @param maddr byte offset of the page in `memory`
 */
export function fillHypercallPage(memory: Uint8Array, maddr: number): void {
  memory.fill(0xcc, maddr, maddr + 4096);
  for (let nr = 0; nr < HYPERCALL_SLOTS; nr++) {
    const stub = [0xb8, nr, 0, 0, 0, 0xcd, HYPERCALL_VECTOR];
    if (nr === __HYPERVISOR_iret) stub.unshift(0x50);
    else stub.push(0xc3);
    memory.set(stub, maddr + nr * HYPERCALL_SLOT_BYTES);
  }
}
