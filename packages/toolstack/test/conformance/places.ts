import { LEGACY_LAYOUT } from '@domu/testkit';
import {
  __HYPERVISOR_iret,
  __HYPERVISOR_update_va_mapping,
  HYPERVISOR_VIRT_START,
  type PagingMode,
  UVMF_INVLPG,
} from '@domu/xen-abi';
import { hypercall, page } from '../check-program.ts';

const { data, hypercallPage, virtBase } = LEGACY_LAYOUT;
const PAGE = 4096;

/** Words in the guest's first page of data. */
export const VARS = {
  start: data + 0x100,
  row: data + 0x104,
  next: data + 0x108,
  check: data + 0x10c,
  got: data + 0x110,
  want: data + 0x114,
  failures: data + 0x118,
  trap: data + 0x11c,
  trapEip: data + 0x120,
  trapCs: data + 0x124,
  trapSp: data + 0x128,
  faultCr2: data + 0x12c,
  resume: data + 0x130,
  shared: data + 0x134,
  console: data + 0x138,
  kick: data + 0x13c,
  upcalls: data + 0x140,
  selected: data + 0x144,
  reason: data + 0x148,
  scratch: data + 0x150,
  deadline: data + 0x154,
  timerPort: data + 0x158,
  port: data + 0x15c,
  peerPort: data + 0x160,
  handle: data + 0x164,
  second: data + 0x168,
  ipiPort: data + 0x16c,
  before: data + 0x170,
} as const;

/** Pages of the guest's image, by linear address. */
export const PLACES = {
  ARGS: page(0),
  LIST: page(1),
  A: page(2),
  B: page(3),
  GDT: page(4),
  LDT: page(5),
  USER: page(6),
  USER_STACK: page(8),
  CONTEXT: page(8),
  RUNSTATE: page(9),
  /** Ends of stacks. */
  STACK: page(12),
  KERNEL_STACK: page(13),
  SECOND_STACK: page(14),
  LINE: page(14),
  SHARED_VA: page(15),
  GRANTS: page(16),
  MAPPED: page(17),
  SPARE_L1: page(18),
  BALLOON: page(19),
  XCHG: page(20),
  XADD: page(21),
} as const;

export const HYPERCALL_IRET: number = hypercallPage + __HYPERVISOR_iret * 32;
/** Linear address that no page table covers. */
export const FAR_AWAY = 0xd000_0000;
/** A frame number that is neither memory nor a machine frame. */
export const NOWHERE = 0x8_0000;

/** One of the memory modes that the guest is built for. All that differs is here. */
export interface Mode {
  readonly name: string;
  readonly paging: PagingMode;
  readonly translated: boolean;
  /** Constants of the source. */
  readonly symbols: Readonly<Record<string, number>>;
  /** `frameof`: linear address EAX to frame number; `vaof`: the other way; `setframe`: page EBX is frame EAX from now on. */
  readonly routines: string;
}

const TRANSLATED_ROUTINES = `
frameof: sub eax, BASE
        shr eax, 12
        ret
vaof:   shl eax, 12
        add eax, BASE
        ret
setframe: ret
`;

const DIRECT_ROUTINES = `
frameof: sub eax, BASE
        shr eax, 12
        mov edx, [START]
        mov edx, [edx+68]               # mfn_list
        mov eax, [edx+eax*4]
        ret
vaof:   mov eax, [eax*4+HVS]
        shl eax, 12
        add eax, BASE
        ret
setframe:
        mov edx, [START]
        mov edx, [edx+68]
        sub ebx, BASE
        shr ebx, 12
        mov [edx+ebx*4], eax
        ret
`;

const EPERM = -1;
const ESRCH = -3;
const EACCES = -13;
const EBUSY = -16;
const EINVAL = -22;
const ENODEV = -19;
const ENOSYS = -38;

export const DIRECT: Mode = {
  name: 'direct PAE paging, Xen 4.18',
  paging: 'pae',
  translated: false,
  symbols: {
    BASE: virtBase,
    HVS: HYPERVISOR_VIRT_START.pae,
    VERSION: (4 << 16) | 18,
    FEATURES: 0xe_20e0,
    PTE_BYTES: 8,
    // The root, the L2 of the last GiB, the L1s.
    L1_OFFSET: 2 * PAGE,
    L2_OFFSET: PAGE,
    FAR_ENTRY: ((FAR_AWAY >>> 21) & 511) * 8,
    NO_DEBUGREG: ENODEV,
    FOREIGN: EPERM,
    RW_DESCRIPTORS: EINVAL,
    RW_TABLE: EBUSY,
    PIN_AGAIN: EINVAL,
    FLUSH_CACHE: EACCES,
    CLEAR_PAGE: 0,
    ADD_TO_PHYSMAP: EACCES,
    ADD_TO_PHYSMAP_BAD: EACCES,
    UNKNOWN_MMUEXT: ENOSYS,
  },
  routines: DIRECT_ROUTINES,
};

export const TRANSLATED: Mode = {
  name: 'translated 2-level paging, Xen 3.0.3',
  paging: 'classic',
  translated: true,
  symbols: {
    BASE: virtBase,
    HVS: HYPERVISOR_VIRT_START.classic,
    VERSION: 3 << 16,
    FEATURES: 5,
    PTE_BYTES: 4,
    L1_OFFSET: PAGE,
    L2_OFFSET: 0,
    FAR_ENTRY: (FAR_AWAY >>> 22) * 4,
    NO_DEBUGREG: EINVAL,
    FOREIGN: ESRCH,
    RW_DESCRIPTORS: 0,
    RW_TABLE: 0,
    PIN_AGAIN: 0,
    FLUSH_CACHE: EINVAL,
    CLEAR_PAGE: EINVAL,
    ADD_TO_PHYSMAP: 0,
    ADD_TO_PHYSMAP_BAD: EINVAL,
    UNKNOWN_MMUEXT: EINVAL,
  },
  routines: TRANSLATED_ROUTINES,
};

/** Maps at linear address `va` the frame of the guest's page `of`, with a flush; EAX: result. */
export const map = (va: number, of: number, flags: number): string =>
  [
    `mov eax, ${of}`,
    'call frameof',
    'shl eax, 12',
    `or eax, ${flags}`,
    hypercall(__HYPERVISOR_update_va_mapping, va, 'eax', 0, UVMF_INVLPG),
  ].join('\n');

/** Takes the mapping at `va` away. */
export const unmap = (va: number): string => hypercall(__HYPERVISOR_update_va_mapping, va, 0, 0, UVMF_INVLPG);

/** Pseudo-physical frame number of a page. */
export const pfn = (va: number): number => (va - virtBase) >>> 12;
