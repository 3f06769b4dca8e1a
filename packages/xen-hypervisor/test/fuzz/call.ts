/**
 * A word of a call. What depends on where things lie in the machine is looked up when the call is handed to the guest, so
 * that a call can be kept, dropped or moved while a failure is made smaller.
 */
export type Value =
  | number
  /**
   * Frame number of a page as the calling domain would say it, times `mul`, plus `add`, plus the place of page-table entry
   * `slot`. `guest` -1: the caller's own.
   */
  | {
      readonly kind: 'frame';
      readonly guest: number;
      readonly page: number;
      readonly mul: number;
      readonly add: number;
      readonly slot?: number;
    }
  /** Id of a domain (0 to 2: the guests, 3: domain 0, 4: nobody), shifted left, with `low` or'ed in. */
  | { readonly kind: 'domid'; readonly guest: number; readonly shift: number; readonly low: number }
  /** Of one of the caller's grant mappings as they were before the slice: the handle, or a word of where it is mapped. */
  | { readonly kind: 'mapping'; readonly index: number; readonly part: 'handle' | 'lo' | 'hi' }
  /** Linear address within the call's own block of argument memory. */
  | { readonly kind: 'block'; readonly offset: number }
  /** Low word of the system time, plus `add` ns. */
  | { readonly kind: 'now'; readonly add: number };

/** One hypercall, or one of the guest's own instructions (`nr` from FIRST_INSTRUCTION on). */
export interface Call {
  readonly nr: number;
  /** EBX ECX EDX ESI EDI. */
  readonly args: readonly Value[];
  /** Content of the call's block of argument memory, from its start. */
  readonly words: readonly Value[];
}

/** Who makes a call, and in which slice of the run. */
export interface Step extends Call {
  readonly batch: number;
  readonly guest: number;
  readonly vcpu: number;
}

/** Not hypercalls: `mov [ebx], ecx`, `mov gs, bx`, `mov cr3, ebx`, `mov eax, [ebx]`. */
export const FIRST_INSTRUCTION = 0x1000;
export const STORE = 0x1000;
export const LOAD_SEGMENT = 0x1001;
export const LOAD_CR3 = 0x1002;
export const LOAD = 0x1003;

/** Words in a call's block of argument memory. */
export const BLOCK_WORDS = 64;
export const BLOCK_BYTES = 256;
/** Calls that one vCPU is given at a time. */
export const CALLS_PER_SLICE = 60;

/** `page` of a frame value beyond the guest's own pages, which are 0 to 63, and its tables, from 64 on. */
export const PAGE_SHARED_INFO = 90;
export const PAGE_GRANT_TABLE = 91;
export const PAGE_GRANT_STATUS = 92;
/** A frame of Xen's own, the machine-to-phys table, a frame that does not exist. */
export const PAGE_XEN = 93;
export const PAGE_M2P = 94;
export const PAGE_NOWHERE = 95;
/** From here on: the frames that the domain owns, by rank. */
export const PAGE_OWNED = 100;
