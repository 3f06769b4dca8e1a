import { LEGACY_LAYOUT, legacyKernel } from '@domu/testkit';
import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_xen_version,
  CALLBACKOP_register,
  CALLBACKTYPE_sysenter,
  DOMID_SELF,
  EVTCHNOP_init_control,
  FLAT_KERNEL_CS,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  GNTTABOP_transfer,
  GNTTABOP_unmap_grant_ref,
  GTF_accept_transfer,
  GTF_transfer_committed,
  GTF_transfer_completed,
  HYPERVISOR_VIRT_START,
  MMU_MACHPHYS_UPDATE,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_PIN_L2_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_UNPIN_TABLE,
  SHUTDOWN_poweroff,
  UVMF_INVLPG,
  VCPUOP_set_periodic_timer,
  XENFEAT_auto_translated_physmap,
  XENMAPSPACE_grant_table,
  XENMAPSPACE_shared_info,
  XENMEM_add_to_physmap,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_increase_reservation,
  XENMEM_maximum_gpfn,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
  XENMEM_translate_gpfn_list,
  XENVER_get_features,
  XENVER_version,
} from '@domu/xen-abi';
import { type Domain, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { describe, expect, test } from 'vitest';
import { buildDomain, loadKernel, pagingModeOf, planDomain } from '../src/index.ts';
import { type Check, check, checkProgram, faultOf, hypercall, page, VARS, words } from './check-program.ts';

const { virtBase: BASE } = LEGACY_LAYOUT;
const MEMORY_MIB = 8;
const NR_PAGES = MEMORY_MIB * 256;
const GRANTOR = 2;
const GREF = 9;
/** Accepts a page of the guest's, to be RECEIVED_GFN of the grantor. */
const TRANSFER_GREF = 10;
const RECEIVED_GFN = 0x5000;
const EINVAL = -22;
const ENOSYS = -38;

const [ARGS, LIST, A, B, NEW_L1, NEW_ROOT, GDT, LDT, TRAPS] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(page) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
const gfn = (va: number): number => (va - BASE) >>> 12;
const pte = (frame: number, flags: number): number => frame * 4096 + flags;
/** Memory that the builder left unmapped. */
const BALLOON = NR_PAGES - 3;
const NOT_YET_RAM = NR_PAGES + 16;
const NOWHERE = 0x8_0000;
const GIVEN = BALLOON - 2;

/** Linear address of an L1 (or L2) entry for linear address ECX into EDI. Walks as the guest knows how: gfns, and BASE. */
const ROUTINES = {
  classic: `
    find_l2:
      mov eax, [${VARS.startInfo}]
      mov edi, [eax+60]
      mov eax, ecx
      shr eax, 22
      lea edi, [edi+eax*4]
      ret
    find_l1:
      call find_l2
      mov edi, [edi]
      and edi, 0xfffff000
      shr ecx, 12
      and ecx, 1023
      lea edi, [edi+ecx*4+${BASE}]
      ret`,
  pae: `
    find_l2:
      mov eax, [${VARS.startInfo}]
      mov edi, [eax+60]
      mov eax, ecx
      shr eax, 30
      mov edi, [edi+eax*8]
      and edi, 0xfffff000
      mov eax, ecx
      shr eax, 21
      and eax, 511
      lea edi, [edi+eax*8+${BASE}]
      ret
    find_l1:
      call find_l2
      mov edi, [edi]
      and edi, 0xfffff000
      shr ecx, 12
      and ecx, 511
      lea edi, [edi+ecx*8+${BASE}]
      ret`,
};

/** Puts the address of the L1 entry of a page into EDI. */
const slotOf = (va: number): string => `mov ecx, ${va}\ncall find_l1`;
const invlpg = (va: number): string => mmuext(MMUEXT_INVLPG_LOCAL, va);
const mmuext = (cmd: number, arg1: number | string, arg2: number = 0): string =>
  [words(ARGS, cmd, arg1, arg2), hypercall(__HYPERVISOR_mmuext_op, ARGS, 1, 0, DOMID_SELF)].join('\n');
/** Has a page mapped anew by a plain store into its entry and a flush. */
const remap = (va: number, entry: number): string =>
  [slotOf(va), `mov dword ptr [edi], ${entry}`, invlpg(va)].join('\n');
const memoryOp = (cmd: number, ...args: number[]): string =>
  [words(ARGS, ...args), hypercall(__HYPERVISOR_memory_op, cmd, ARGS)].join('\n');
/** A reservation call on the one frame number in LIST. */
const reservation = (cmd: number, frame: number): string =>
  [words(LIST, frame), memoryOp(cmd, LIST, 1, 0, 0, DOMID_SELF)].join('\n');
const addToPhysmap = (space: number, index: number, frame: number): string =>
  memoryOp(XENMEM_add_to_physmap, DOMID_SELF, space, index, frame);
const grantOp = (cmd: number): string => hypercall(__HYPERVISOR_grant_table_op, cmd, ARGS, 1);
/** The 16-bit status at an offset of ARGS, sign-extended. */
const status16 = (offset: number): string => `movsx eax, word ptr [${ARGS + offset}]`;

const boot: Check[] = [
  check(
    'the hypercall page works, and Xen is 3.0',
    3 << 16,
    hypercall(__HYPERVISOR_xen_version, XENVER_version, 0),
  ),
  check(
    'features: writable page tables, translated',
    5,
    words(ARGS, 0, 0),
    hypercall(__HYPERVISOR_xen_version, XENVER_get_features, ARGS),
    `mov eax, [${ARGS + 4}]`,
  ),
  check('start_info: pages', NR_PAGES, `mov esi, [${VARS.startInfo}]`, 'mov eax, [esi+32]'),
  check(
    'shared_info lies in memory, upcalls are masked',
    1,
    'mov eax, [esi+36]',
    `add eax, ${BASE}`,
    `mov [${VARS.shared}], eax`,
    'movzx eax, byte ptr [eax+1]',
  ),
  check(
    'the p2m list holds machine frames, whose names the M2P knows',
    gfn(A),
    'mov eax, [esi+68]',
    `mov eax, [eax+${gfn(A) * 4}]`,
    'mov eax, [eax*4+HVS]',
  ),
  check(
    'a trap table',
    0,
    words(TRAPS, 14 | (FLAT_KERNEL_CS << 16)),
    'mov eax, offset page_fault',
    `mov [${TRAPS + 4}], eax`,
    words(TRAPS + 8, 0, 0),
    hypercall(__HYPERVISOR_set_trap_table, TRAPS),
  ),
  check(
    'page tables are mapped writable',
    0x23,
    'mov ecx, [esi+60]',
    'call find_l1',
    'mov eax, [edi]',
    'and eax, 0x23',
  ),
];

const pageTables: Check[] = [
  check('pages hold what was stored', 0xbbbb, words(A, 0xaaaa), words(B, 0xbbbb), `mov eax, [${B}]`),
  check(
    'a plain store into an L1 entry, and invlpg',
    0xbbbb,
    slotOf(A),
    `mov dword ptr [edi], ${pte(gfn(B), 3)}`,
    invlpg(A),
    `mov eax, [${A}]`,
  ),
  check('reading sets A', 0x23, slotOf(A), 'mov eax, [edi]', 'and eax, 0xfff'),
  check(
    'writing sets D',
    0x63,
    `mov dword ptr [${A}], 0xbbbc`,
    slotOf(A),
    'mov eax, [edi]',
    'and eax, 0xfff',
  ),
  check(
    'cleared A and D come back',
    0x63,
    `and dword ptr [edi], ${~0x60}`,
    invlpg(A),
    `inc dword ptr [${A}]`,
    slotOf(A),
    'mov eax, [edi]',
    'and eax, 0xfff',
  ),
  check('the store went to the other page', 0xbbbd, `mov eax, [${B}]`),
  check('not present', 0, remap(A, pte(gfn(B), 2)), faultOf(`mov ebx, [${A + 8}]`)),
  check('CR2', A + 8, `mov eax, [${VARS.faultCr2}]`),
  check('read-only', 3, remap(A, pte(gfn(B), 1)), faultOf(`mov [${A}], ebx`)),
  check('reading it is allowed', -1, faultOf(`mov ebx, [${A}]`)),
  check('a gfn without memory', 2, remap(A, pte(NOWHERE, 3)), faultOf(`mov [${A}], ebx`)),
  check(
    'a whole table of its own',
    0xaaaa,
    words(NEW_L1, pte(gfn(A), 3)),
    'mov ecx, FAR_AWAY',
    'call find_l2',
    `mov dword ptr [edi], ${pte(gfn(NEW_L1), 3)}`,
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0),
    'mov eax, [FAR_AWAY]',
  ),
  check(
    'the table above is marked accessed',
    0x23,
    'mov ecx, FAR_AWAY',
    'call find_l2',
    'mov eax, [edi]',
    'and eax, 0xfff',
  ),
  check(
    'mmu_update of the entry at a gpa',
    0,
    slotOf(A),
    `sub edi, ${BASE}`,
    `mov [${ARGS}], edi`,
    words(ARGS + 4, 0, pte(gfn(A), 3), 0),
    hypercall(__HYPERVISOR_mmu_update, ARGS, 1, LIST, DOMID_SELF),
  ),
  check('done', 1, `mov eax, [${LIST}]`),
  check('the page is back', 0xaaaa, `mov eax, [${A}]`),
  check(
    'mmu_update where no memory is',
    EINVAL,
    words(ARGS, NOWHERE << 12, 0, 0, 0),
    hypercall(__HYPERVISOR_mmu_update, ARGS, 1, 0, DOMID_SELF),
  ),
  check('foreign frames', -3, hypercall(__HYPERVISOR_mmu_update, ARGS, 1, 0, 0)),
  check('update_va_mapping', 0, hypercall(__HYPERVISOR_update_va_mapping, A, pte(gfn(B), 3), 0, UVMF_INVLPG)),
  check('it took effect', 0xbbbd, `mov eax, [${A}]`),
  check(
    'update_va_mapping without a table',
    EINVAL,
    hypercall(__HYPERVISOR_update_va_mapping, 0x1000, 3, 0, 0),
  ),
  check(
    'and back',
    0xaaaa,
    hypercall(__HYPERVISOR_update_va_mapping, A, pte(gfn(A), 3), 0, UVMF_INVLPG),
    `mov eax, [${A}]`,
  ),
  check('pins are accepted', 0, mmuext(MMUEXT_PIN_L2_TABLE, gfn(A))),
  check('unpins, too', 0, mmuext(MMUEXT_UNPIN_TABLE, gfn(B))),
  check('later commands are not known', EINVAL, mmuext(MMUEXT_CLEAR_PAGE, gfn(A))),
  check(
    'a copy of the root as NEW_BASEPTR',
    0,
    `mov esi, [${VARS.startInfo}]`,
    'mov esi, [esi+60]',
    `mov edi, ${NEW_ROOT}`,
    'mov ecx, 1024',
    'rep movsd',
    mmuext(MMUEXT_NEW_BASEPTR, gfn(NEW_ROOT)),
  ),
  check('CR3 reads as its gfn', gfn(NEW_ROOT) << 12, 'mov eax, cr3'),
  check(
    'the copy counts now',
    0,
    `mov edi, ${NEW_ROOT}`,
    'mov dword ptr [edi+FAR_SLOT], 0',
    mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0),
    faultOf('mov ebx, [FAR_ROOT]'),
  ),
  check(
    'mov to CR3 goes back',
    0xaaaa,
    `mov eax, [${VARS.startInfo}]`,
    'mov eax, [eax+60]',
    `sub eax, ${BASE}`,
    'mov cr3, eax',
    'mov eax, [FAR_AWAY]',
  ),
  check('a root that is no memory is refused', EINVAL, mmuext(MMUEXT_NEW_BASEPTR, NOWHERE)),
  check(
    'mov of such a CR3 changes nothing',
    0xaaaa,
    `mov eax, ${NOWHERE << 12}`,
    'mov cr3, eax',
    'mov eax, [FAR_AWAY]',
  ),
  check('CR4 can be written with its own value', 1, 'mov eax, cr4', 'mov cr4, eax', 'mov eax, 1'),
];

const descriptors: Check[] = [
  check(
    'set_gdt',
    0,
    words(GDT + 8, 0xffff, 0x00cf_9200),
    words(LIST, gfn(GDT)),
    hypercall(__HYPERVISOR_set_gdt, LIST, 16),
  ),
  check('its segment works', 0xaaaa, 'mov ax, 9', 'mov fs, ax', `mov eax, fs:[${A}]`),
  check('the table cannot be written now', 3, faultOf(`mov dword ptr [${GDT}], 0`)),
  check(
    'update_descriptor by gpa',
    0,
    hypercall(__HYPERVISOR_update_descriptor, gfn(GDT) * 4096 + 16, 0, 0x0000_ffff, 0x00cf_9200),
  ),
  check('the new segment works', 0xaaaa, 'mov ax, 0x11', 'mov fs, ax', `mov eax, fs:[${A}]`),
  check(
    'a bad descriptor',
    EINVAL,
    hypercall(__HYPERVISOR_update_descriptor, gfn(GDT) * 4096 + 16, 0, 0, 0x8900),
  ),
  check(
    'a gfn without memory as GDT',
    EINVAL,
    words(LIST, NOWHERE),
    hypercall(__HYPERVISOR_set_gdt, LIST, 16),
  ),
  check('an LDT', 0, words(LDT + 8, 0xffff, 0x00cf_9200), mmuext(MMUEXT_SET_LDT, LDT, 8)),
  check('its segment works, too', 0xaaaa, 'mov ax, 0xd', 'mov gs, ax', `mov eax, gs:[${A}]`),
  check('no LDT', 0, mmuext(MMUEXT_SET_LDT, 0, 0)),
];

const memory: Check[] = [
  check(
    'current_reservation: shared_info took a page',
    NR_PAGES - 1,
    words(ARGS, DOMID_SELF),
    hypercall(__HYPERVISOR_memory_op, XENMEM_current_reservation, ARGS),
  ),
  check(
    'maximum_gpfn: the grant table is behind the memory',
    NR_PAGES + 3,
    hypercall(__HYPERVISOR_memory_op, XENMEM_maximum_gpfn, ARGS),
  ),
  check(
    'the balloon takes a page',
    1,
    remap(A, pte(BALLOON, 3)),
    words(A, 0x1234),
    reservation(XENMEM_decrease_reservation, BALLOON),
  ),
  check('it is gone at once', 2, faultOf(`mov dword ptr [${A}], 1`)),
  check('it cannot be taken twice', 0, reservation(XENMEM_decrease_reservation, BALLOON)),
  check(
    'it is no machine frame now',
    -1,
    words(LIST, BALLOON, gfn(B)),
    memoryOp(XENMEM_translate_gpfn_list, DOMID_SELF, 2, LIST, LIST + 8),
    `mov eax, [${LIST + 8}]`,
  ),
  check('another is, as the M2P says', gfn(B), `mov eax, [${LIST + 12}]`, 'mov eax, [eax*4+HVS]'),
  check('the balloon gives it back', 1, reservation(XENMEM_populate_physmap, BALLOON)),
  check('empty', 0, `mov eax, [${A}]`),
  check('the list is as it was', BALLOON, `mov eax, [${LIST}]`),
  check('a full domain gets no more', 0, reservation(XENMEM_populate_physmap, NOT_YET_RAM)),
  check(
    'extents of two pages are for others',
    0,
    words(LIST, NOT_YET_RAM),
    memoryOp(XENMEM_populate_physmap, LIST, 1, 1, 0, DOMID_SELF),
  ),
  check('remove_from_physmap', 0, memoryOp(XENMEM_remove_from_physmap, DOMID_SELF, BALLOON)),
  check('no memory there', 0, faultOf(`mov eax, [${A}]`)),
  check(
    'its page has no name, but counts',
    NR_PAGES - 1,
    words(ARGS, DOMID_SELF),
    hypercall(__HYPERVISOR_memory_op, XENMEM_current_reservation, ARGS),
  ),
  check(
    'increase_reservation tells the machine frame',
    1,
    reservation(XENMEM_decrease_reservation, BALLOON - 1),
    reservation(XENMEM_increase_reservation, 0),
  ),
  check(
    'which MACHPHYS_UPDATE names',
    0,
    `mov eax, [${LIST}]`,
    'shl eax, 12',
    `or eax, ${MMU_MACHPHYS_UPDATE}`,
    `mov [${ARGS}], eax`,
    words(ARGS + 4, 0, NOT_YET_RAM, 0),
    hypercall(__HYPERVISOR_mmu_update, ARGS, 1, 0, DOMID_SELF),
  ),
  check('it is there', -1, remap(A, pte(NOT_YET_RAM, 3)), faultOf(`mov dword ptr [${A}], 5`)),
  check('add_to_physmap moves shared_info', 0, addToPhysmap(XENMAPSPACE_shared_info, 0, NOT_YET_RAM)),
  check('it is where the memory was', 1, `mov byte ptr [${A + 1}], 1`, `movzx eax, byte ptr [${A + 1}]`),
  check(
    'Xen writes there',
    2,
    `mov eax, ${A}`,
    `mov [${VARS.shared}], eax`,
    faultOf('mov dword ptr [0x20000000], 1'),
  ),
  check('CR2 is in it', 0x2000_0000, `mov eax, [${VARS.faultCr2}]`),
  check(
    'its former place is empty',
    0,
    `mov esi, [${VARS.startInfo}]`,
    'mov ebx, [esi+36]',
    faultOf(`mov eax, [ebx+${BASE}]`),
  ),
  check(
    'back to it',
    0,
    'mov edi, [esi+36]',
    'shr edi, 12',
    words(ARGS, DOMID_SELF, XENMAPSPACE_shared_info, 0, 'edi'),
    hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARGS),
  ),
  check(
    'it still says where the last fault was',
    0,
    'mov ecx, [esi+36]',
    `add ecx, ${BASE}`,
    `mov [${VARS.shared}], ecx`,
    'mov eax, [ecx+8]',
    'sub eax, ecx',
  ),
  check('a fifth frame of the grant table', EINVAL, addToPhysmap(XENMAPSPACE_grant_table, 4, NOT_YET_RAM)),
  check('an unknown space', EINVAL, addToPhysmap(7, 0, NOT_YET_RAM)),
  check('no memory map', ENOSYS, memoryOp(XENMEM_memory_map, 1, LIST)),
];

const grants: Check[] = [
  check(
    'setup_table of four frames',
    0,
    words(ARGS, DOMID_SELF, 4, -1, LIST),
    grantOp(GNTTABOP_setup_table),
    status16(8),
  ),
  check('the last is behind the memory', NR_PAGES + 3, `mov eax, [${LIST + 12}]`),
  check(
    'setup_table of five',
    -1,
    words(ARGS, DOMID_SELF, 5, 0, LIST),
    grantOp(GNTTABOP_setup_table),
    status16(8),
  ),
  check(
    'an entry of the table can be written',
    0x77,
    remap(A, pte(NR_PAGES, 3)),
    words(A + 8 * 8, 0x77),
    `mov eax, [${A + 8 * 8}]`,
  ),
  check(
    'a grant is mapped',
    0,
    remap(A, pte(gfn(A), 3)),
    words(ARGS, A, 0, GNTMAP_host_map, GREF, GRANTOR, -1, 0, 0, 0),
    grantOp(GNTTABOP_map_grant_ref),
    status16(18),
  ),
  check(
    'it shows the frame',
    0xcafe,
    `mov eax, [${ARGS + 20}]`,
    `mov [${VARS.scratch}], eax`,
    `mov eax, [${A}]`,
  ),
  check('and takes a store', 0xbeef, words(A, 0xbeef), `mov eax, [${A}]`),
  check(
    'its gfn cannot be given away',
    0,
    slotOf(A),
    'mov edi, [edi]',
    'shr edi, 12',
    words(LIST, 'edi'),
    memoryOp(XENMEM_decrease_reservation, LIST, 1, 0, 0, DOMID_SELF),
  ),
  check(
    'unmap',
    0,
    words(ARGS, A, 0, 0, 0, `[${VARS.scratch}]`, -1),
    grantOp(GNTTABOP_unmap_grant_ref),
    status16(20),
  ),
  check('nothing is left', 0, faultOf(`mov eax, [${A}]`)),
  check(
    'not even through a copy of the entry',
    0,
    slotOf(A),
    `mov eax, [${LIST}]`,
    'shl eax, 12',
    'or eax, 3',
    'mov [edi], eax',
    invlpg(A),
    faultOf(`mov eax, [${A}]`),
  ),
  check(
    'mapped for reading',
    0,
    words(ARGS, A, 0, GNTMAP_host_map | GNTMAP_readonly, GREF, GRANTOR, -1, 0, 0, 0),
    grantOp(GNTTABOP_map_grant_ref),
    status16(18),
  ),
  check(
    'writing faults even with RW in the entry',
    3,
    `mov eax, [${ARGS + 20}]`,
    `mov [${VARS.scratch}], eax`,
    slotOf(A),
    'or dword ptr [edi], 2',
    invlpg(A),
    faultOf(`mov dword ptr [${A}], 1`),
  ),
  check('reading does not', 0xbeef, `mov eax, [${A}]`),
  check(
    'unmap',
    0,
    words(ARGS, A, 0, 0, 0, `[${VARS.scratch}]`, -1),
    grantOp(GNTTABOP_unmap_grant_ref),
    status16(20),
  ),
  check(
    'no L1 entry',
    -1,
    words(ARGS, 0x1000, 0, GNTMAP_host_map, GREF, GRANTOR, 0, 0, 0, 0),
    grantOp(GNTTABOP_map_grant_ref),
    status16(18),
  ),
  check(
    'a page is given away, content and all',
    0,
    remap(A, pte(GIVEN, 3)),
    words(A, 0x6166),
    words(ARGS, GIVEN, GRANTOR, TRANSFER_GREF, -1),
    grantOp(GNTTABOP_transfer),
    status16(12),
  ),
  check('and is out of reach', 0, faultOf(`mov eax, [${A}]`)),
  check(
    'without an entry that accepts it, it is lost',
    -1,
    words(ARGS, BALLOON - 4, GRANTOR, TRANSFER_GREF, -1),
    grantOp(GNTTABOP_transfer),
    status16(12),
  ),
  check(
    'copy into a gfn',
    0,
    words(ARGS, GREF, GRANTOR, gfn(B), DOMID_SELF, 4 | (GNTCOPY_source_gref << 16), -1),
    grantOp(GNTTABOP_copy),
    status16(20),
  ),
  check('copied', 0xbeef, `mov eax, [${B}]`),
];

const release: Check[] = [
  check('vcpu_op ends with 5', ENOSYS, hypercall(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, ARGS)),
  check('no FIFO events', ENOSYS, hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_init_control, ARGS)),
  check('no query_size', ENOSYS, grantOp(GNTTABOP_query_size)),
  check(
    'no sysenter callback',
    EINVAL,
    words(ARGS, CALLBACKTYPE_sysenter, FLAT_KERNEL_CS, A),
    hypercall(__HYPERVISOR_callback_op, CALLBACKOP_register, ARGS),
  ),
  check('no hypercall 38', ENOSYS, hypercall(38, 0)),
];

const checks: readonly Check[] = [...boot, ...pageTables, ...descriptors, ...memory, ...grants, ...release];

function build(machine: Machine, kernelBytes: Uint8Array): Domain {
  const kernel = loadKernel(kernelBytes, 1 << XENFEAT_auto_translated_physmap);
  if (!kernel.ok) throw new Error(kernel.error);
  const input = { kernel: kernel.value, ramdisk: null, cmdline: new Uint8Array(0), memoryMiB: MEMORY_MIB };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const { translated } = kernel.value;
  const domain = machine.createDomain({ maxPages: NR_PAGES, mode: pagingModeOf(kernel.value), translated });
  const built = buildDomain(domain, layout.value, input);
  if (!built.ok) throw new Error(built.error);
  // The domain may have as many pages as it was built with, shared_info's not counted.
  domain.maxPages = domain.totPages;
  return domain;
}

/** @returns machine address of a word of the guest's */
const maddr = (domain: Domain, va: number): number => domain.paging.toMfn(gfn(va)) * 4096 + (va & 0xfff);

const TARGETS = [
  ['classic', 'interpreter'],
  ['classic', 'jit'],
  ['pae', 'interpreter'],
  ['pae', 'jit'],
] as const;

describe.each(TARGETS)('a translated guest with %s tables, engine %s', (mode, engine) => {
  test('finds everything as Xen 3.0.3 has it', () => {
    const pae = mode === 'pae';
    const program = checkProgram(
      checks,
      {
        HVS: HYPERVISOR_VIRT_START[mode],
        // A page that nothing maps so far; its L2 table is there.
        FAR_AWAY: 0xd000_0000,
        // The entry of the root that covers FAR_ROOT, which nothing else needs.
        FAR_SLOT: pae ? 0 : 0x340 * 4,
        FAR_ROOT: pae ? 0 : 0xd000_0000,
      },
      ROUTINES[mode],
    );
    const machine = new Machine({ memoryMiB: 2 * MEMORY_MIB + 4, clock: new VirtualClock(), engine });
    const image = legacyKernel({
      code: program.bytes,
      pae,
      features: 'auto_translated_physmap|writable_page_tables',
    });
    const guest = build(machine, image);
    const grantor = build(machine, image);
    expect([guest.id, grantor.id, guest.mode]).toEqual([1, GRANTOR, mode]);
    grantor.grants.preset(GREF, { domid: guest.id, gfn: gfn(A) });
    const { view } = machine.memory;
    view.setUint32(maddr(grantor, A), 0xcafe, true);
    const entry = grantor.grants.sharedFrame(0) * 4096 + TRANSFER_GREF * 8;
    view.setUint32(entry, GTF_accept_transfer | (guest.id << 16), true);
    view.setUint32(entry + 4, RECEIVED_GFN, true);
    grantor.maxPages++;

    let code = -1;
    guest.onShutdown = (reason) => {
      code = reason;
    };
    guest.unpause();
    for (let i = 0; i < 100 && guest.state.state === 'running'; i++) machine.run(100_000);
    machine.run(1);
    const word = (va: number): number => view.getInt32(maddr(guest, va), true);
    const { name } = checks[word(VARS.step)];
    const failure = { name, got: word(VARS.got), crash: guest.crash?.reason };
    expect(code, JSON.stringify(failure)).toBe(SHUTDOWN_poweroff);
    expect(view.getUint32(maddr(grantor, A), true)).toBe(0xbeef);
    const received = grantor.paging.toMfn(RECEIVED_GFN);
    expect(view.getUint32(received * 4096, true)).toBe(0x6166);
    expect([view.getUint16(entry, true), view.getUint32(entry + 4, true)]).toEqual([
      GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed,
      received,
    ]);

    for (const domain of [guest, grantor]) machine.destroyDomain(domain);
    expect(machine.frames.totPages(guest.id) + machine.frames.totPages(grantor.id)).toBe(0);
  });
});
