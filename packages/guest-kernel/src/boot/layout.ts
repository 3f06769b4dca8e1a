/** Where the kernel's own parts lie in its address space. The whole of the domain's memory is mapped from PAGE_OFFSET up. */
import type { LinearAddr } from '@domu/xen-abi';

/** Linear address of pseudo-physical address 0; below it is the user's. As Linux on i386. */
export const PAGE_OFFSET = 0xc000_0000;
/** First linear address that no user mapping reaches. */
export const TASK_SIZE: number = PAGE_OFFSET;
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

/** The image: one page of machine code, then pages that the kernel writes. */
export const IMAGE_START = 0xc000_1000;
/** Stack that entries from user mode are made on; nothing else lives on it, so every entry starts at its top. */
export const KERNEL_STACK_TOP = 0xc000_4000;
/** Arguments of hypercalls that are made from here. */
export const SCRATCH: LinearAddr = 0xc000_4000 as LinearAddr;
/** Arguments of event channel operations. */
export const EVENT_SCRATCH: LinearAddr = 0xc000_4400 as LinearAddr;
/** struct vcpu_runstate_info, kept up to date by Xen. */
export const RUNSTATE_AREA: LinearAddr = 0xc000_4800 as LinearAddr;
export const GDT_PAGE = 0xc000_5000;
export const IMAGE_END = 0xc000_6000;

/** Entries of the semihosting stubs: below 0x100 an entry is a vector of the trap table. */
export const ENTRY_EVENT = 0xf0;
export const ENTRY_FAILSAFE = 0xf1;
export const ENTRY_BOOT = 0xf2;
export const ENTRY_WOKEN = 0xf3;
export const ENTRY_FPU_DONE = 0xf4;
/** int $0x80. */
export const ENTRY_SYSCALL = 0x80;

/** Selectors, as Linux on i386 has them. */
export const USER_CS = 0x73;
export const USER_DS = 0x7b;
/** First of the three descriptors of set_thread_area. */
export const GDT_ENTRY_TLS_MIN = 6;
export const GDT_ENTRY_TLS_ENTRIES = 3;
