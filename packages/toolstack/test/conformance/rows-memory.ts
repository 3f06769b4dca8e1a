import {
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_update_va_mapping,
  DOMID_SELF,
  MMU_MACHPHYS_UPDATE,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  MMUEXT_UNPIN_TABLE,
  XENMAPSPACE_grant_table,
  XENMAPSPACE_shared_info,
  XENMEM_add_to_physmap,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_increase_reservation,
  XENMEM_maximum_reservation,
  XENMEM_populate_physmap,
} from '@domu/xen-abi';
import { check, hypercall, words } from '../check-program.ts';
import { FAR_AWAY, map, NOWHERE, PLACES, pfn, unmap } from './places.ts';
import { type Row, row, trapOf } from './program.ts';

const { ARGS, LIST, A, B, SPARE_L1, BALLOON, XCHG, XADD } = PLACES;
const EINVAL = -22;
const ESRCH = -3;
const ENOSYS = -38;
const PAGE_FAULT = 14 << 16;
/** A domain that is there. */
const PEER = 2;

const mmuext = (cmd: number, arg1: number | string, arg2: number = 0): string =>
  [words(ARGS, cmd, arg1, arg2), hypercall(__HYPERVISOR_mmuext_op, ARGS, 1, 0, DOMID_SELF)].join('\n');
const mmuUpdate = (count: number, done: number, domid: number = DOMID_SELF): string =>
  hypercall(__HYPERVISOR_mmu_update, ARGS, count, done, domid);
/** Frame of a page, by its linear address or an expression that `mov` takes, into EAX. */
const frameOf = (va: number | string): string => `mov eax, ${va}\ncall frameof`;
/** Linear address of a table of the builder's into EAX. */
const table = (offset: string): string => `mov eax, [START]\nmov eax, [eax+60]\nadd eax, ${offset}`;
/** Linear address of the L1 entry of a page of the image into EBX. */
const entryOf = (va: number): string => `${table('L1_OFFSET')}\nlea ebx, [eax+${pfn(va)}*PTE_BYTES]`;
/** Writes request number `i` in ARGS: an entry of the table EAX (linear address), with the value in ECX. */
const request = (i: number, at: string): string => `
  push ecx
  call frameof
  pop ecx
  shl eax, 12
  add eax, ${at}
  mov [${ARGS + i * 16}], eax
  mov dword ptr [${ARGS + i * 16 + 4}], 0
  mov [${ARGS + i * 16 + 8}], ecx
  mov dword ptr [${ARGS + i * 16 + 12}], 0`;
/** An entry for a page into ECX. */
const entryFor = (va: number, flags: number): string =>
  `${frameOf(va)}\nshl eax, 12\nor eax, ${flags}\nmov ecx, eax`;

const mmu: Row[] = [
  row(
    'page tables',
    check('another page', 0, map(A, B, 0x03)),
    check('is seen', 0xbbbb, `mov eax, [${A}]`),
    check('accessed', 0x23, entryOf(A), 'mov eax, [ebx]', 'and eax, 0xfff'),
    check('dirty', 0x63, `mov dword ptr [${A}], 0xbbbb`, entryOf(A), 'mov eax, [ebx]', 'and eax, 0xfff'),
    check('read-only', 0, map(A, B, 0x01)),
    check('takes no store', PAGE_FAULT | 3, trapOf(`mov dword ptr [${A}], 1`)),
    check('not present', 0, unmap(A)),
    check('faults', PAGE_FAULT, trapOf(`mov eax, [${A}]`)),
    check(
      'mmu_update',
      0,
      entryFor(A, 3),
      table('L1_OFFSET'),
      request(0, `${pfn(A)}*PTE_BYTES`),
      mmuUpdate(1, LIST),
    ),
    check('one done', 1, `mov eax, [${LIST}]`),
    check('the page is back', 0xaaaa, `mov eax, [${A}]`),
    check(
      'the first error ends a list',
      EINVAL,
      words(ARGS + 16, `[${ARGS}]`, 0, `[${ARGS + 8}]`, 0),
      words(ARGS, (NOWHERE << 12) | 0, 0, 0, 0),
      mmuUpdate(2, LIST),
    ),
    check('none done', 0, `mov eax, [${LIST}]`),
    check("another domain's frames", 'FOREIGN', mmuUpdate(1, 0, PEER)),
    check(
      'a plain store into a table',
      0xbbbb,
      entryFor(B, 1),
      'push ecx',
      entryOf(A),
      'pop ecx',
      'mov [ebx], ecx',
      mmuext(MMUEXT_INVLPG_LOCAL, A),
      `mov eax, [${A}]`,
    ),
    check('no table there', EINVAL, hypercall(__HYPERVISOR_update_va_mapping, 0x1000, 3, 0, 0)),
    check(
      'a table mapped writable',
      'RW_TABLE',
      table('L1_OFFSET'),
      'call frameof\nshl eax, 12\nor eax, 3',
      hypercall(__HYPERVISOR_update_va_mapping, A, 'eax', 0, 2),
    ),
    check('as it was', 0xaaaa, map(A, A, 0x03), `mov eax, [${A}]`),
  ),
  row(
    'page tables of its own',
    check('an L1', 0, entryFor(A, 1), `mov [${SPARE_L1}], ecx`, map(SPARE_L1, SPARE_L1, 1)),
    check('pin', 0, frameOf(SPARE_L1), mmuext(MMUEXT_PIN_L1_TABLE, 'eax')),
    check('pin again', 'PIN_AGAIN', frameOf(SPARE_L1), mmuext(MMUEXT_PIN_L1_TABLE, 'eax')),
    check(
      'hooked up',
      0,
      entryFor(SPARE_L1, 0x67),
      table('L2_OFFSET'),
      request(0, 'FAR_ENTRY'),
      mmuUpdate(1, 0),
      mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0),
    ),
    check('seen through it', 0xaaaa, `mov eax, [${FAR_AWAY}]`),
    check('unhooked', 0, 'xor ecx, ecx', table('L2_OFFSET'), request(0, 'FAR_ENTRY'), mmuUpdate(1, 0)),
    check('gone', PAGE_FAULT, mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), trapOf(`mov eax, [${FAR_AWAY}]`)),
    check('unpin', 0, frameOf(SPARE_L1), mmuext(MMUEXT_UNPIN_TABLE, 'eax')),
    check('ordinary memory again', 0, map(SPARE_L1, SPARE_L1, 3)),
    check('NEW_BASEPTR', 0, table('0'), 'call frameof', mmuext(MMUEXT_NEW_BASEPTR, 'eax')),
    check('CR3 names it', 0, table('0'), 'call frameof', 'shl eax, 12', 'mov ecx, cr3', 'sub eax, ecx'),
    check('mov to CR3', -1, trapOf('mov eax, cr3\nmov cr3, eax')),
    check('NEW_BASEPTR of nothing', EINVAL, mmuext(MMUEXT_NEW_BASEPTR, NOWHERE)),
  ),
  row(
    'tlb',
    check('flush', 0, mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0)),
    check('flush all', 0, mmuext(MMUEXT_TLB_FLUSH_ALL, 0)),
    check('flush some', 0, words(LIST, 1), mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, LIST)),
    check('flush some, from nowhere', EINVAL, mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, 0x1000)),
    check('invlpg', 0, mmuext(MMUEXT_INVLPG_LOCAL, A)),
    check('invlpg, all', 0, mmuext(MMUEXT_INVLPG_ALL, A)),
    check('invlpg, some', 0, words(LIST, 1), mmuext(MMUEXT_INVLPG_MULTI, A, LIST)),
    check('unknown', 'UNKNOWN_MMUEXT', mmuext(40, 0)),
  ),
  row(
    'cache',
    check('wbinvd', -1, trapOf('wbinvd')),
    check('FLUSH_CACHE is for those with devices', 'FLUSH_CACHE', mmuext(MMUEXT_FLUSH_CACHE, 0)),
    check('CLEAR_PAGE', 'CLEAR_PAGE', words(XADD, 0x77), frameOf(XADD), mmuext(MMUEXT_CLEAR_PAGE, 'eax')),
  ),
];

const memoryOp = (cmd: number, ...args: number[]): string =>
  [words(ARGS, ...args), hypercall(__HYPERVISOR_memory_op, cmd, ARGS)].join('\n');
/** A reservation call on one frame number. */
const reservation = (cmd: number, frame: number | string): string =>
  [words(LIST, frame), memoryOp(cmd, LIST, 1, 0, 0, DOMID_SELF)].join('\n');
const current = memoryOp(XENMEM_current_reservation, DOMID_SELF);
/** Notes that a page of the guest is now the frame in LIST, and maps it. */
const adopt = (va: number): string => `mov eax, [${LIST}]\nmov ebx, ${va}\ncall setframe\n${map(va, va, 3)}`;

const reservations: Row[] = [
  row(
    'current reservation',
    check('own', 'NR_PAGES', current),
    check('by its id', 'NR_PAGES', memoryOp(XENMEM_current_reservation, 1)),
    check('nobody', ESRCH, memoryOp(XENMEM_current_reservation, 1234)),
    check('unknown operation', ENOSYS, memoryOp(63, 0)),
  ),
  row('maximum reservation', check('own', 'NR_PAGES', memoryOp(XENMEM_maximum_reservation, DOMID_SELF))),
  row(
    'decrease reservation',
    check('a page in use', 0, words(BALLOON, 0x5555), unmap(BALLOON)),
    check(
      'gives it up',
      1,
      frameOf(BALLOON),
      'mov [SCRATCH], eax',
      reservation(XENMEM_decrease_reservation, 'eax'),
    ),
    check('counted', 'NR_PAGES-1', current),
    check('only once', 0, reservation(XENMEM_decrease_reservation, '[SCRATCH]')),
  ),
  row(
    'populate physmap',
    check('a page', 1, reservation(XENMEM_populate_physmap, pfn(BALLOON))),
    check('counted', 'NR_PAGES', current),
    check('mapped', 0, adopt(BALLOON)),
    check('it was empty', 0, `mov eax, [${BALLOON}]`),
    check('holds what is stored', 0x66, words(BALLOON, 0x66), `mov eax, [${BALLOON}]`),
    check('no more than the maximum', 0, reservation(XENMEM_populate_physmap, 'NR_PAGES+16')),
    check('far too large', 0, words(LIST, 0), memoryOp(XENMEM_populate_physmap, LIST, 1, 20, 0, DOMID_SELF)),
  ),
  row(
    'increase reservation',
    check('no more than the maximum', 0, reservation(XENMEM_increase_reservation, 0)),
    check('room', 1, unmap(BALLOON), frameOf(BALLOON), reservation(XENMEM_decrease_reservation, 'eax')),
    check('a frame', 1, reservation(XENMEM_increase_reservation, 0)),
    check(
      'MACHPHYS_UPDATE names it',
      0,
      `mov eax, [${LIST}]`,
      'shl eax, 12',
      `or eax, ${MMU_MACHPHYS_UPDATE}`,
      words(ARGS, 'eax', 0, pfn(BALLOON), 0),
      mmuUpdate(1, 0),
    ),
    check('the machine-to-phys table knows', pfn(BALLOON), `mov eax, [${LIST}]`, 'mov eax, [eax*4+HVS]'),
    check('mapped', 0, adopt(BALLOON)),
    check('holds what is stored', 0x67, words(BALLOON, 0x67), `mov eax, [${BALLOON}]`),
  ),
  row(
    'exchange',
    check('a page in use', 0, unmap(XCHG)),
    check(
      'for another',
      0,
      words(LIST + 16, pfn(XCHG)),
      frameOf(XCHG),
      words(LIST, 'eax'),
      memoryOp(XENMEM_exchange, LIST, 1, 0, 0, DOMID_SELF, LIST + 16, 1, 0, 0, DOMID_SELF, 0),
    ),
    check('one done', 1, `mov eax, [${ARGS + 40}]`),
    check('mapped', 0, `mov eax, [${LIST + 16}]`, `mov [${LIST}], eax`, adopt(XCHG)),
    check('holds what is stored', 0x68, words(XCHG, 0x68), `mov eax, [${XCHG}]`),
    check('counted', 'NR_PAGES', current),
    check(
      'lists that do not match',
      EINVAL,
      memoryOp(XENMEM_exchange, LIST, 1, 0, 0, DOMID_SELF, LIST, 2, 0, 0, DOMID_SELF, 0),
    ),
  ),
  row(
    'add to physmap',
    check(
      'grant table',
      'ADD_TO_PHYSMAP',
      words(ARGS, DOMID_SELF, XENMAPSPACE_grant_table, 0, pfn(XADD)),
      hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARGS),
    ),
    check(
      'a frame that is not there',
      'ADD_TO_PHYSMAP_BAD',
      words(ARGS, DOMID_SELF, XENMAPSPACE_shared_info, 1, pfn(XADD)),
      hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, ARGS),
    ),
  ),
];

export const MEMORY_ROWS: readonly Row[] = [...mmu, ...reservations];
