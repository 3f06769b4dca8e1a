/**
 * The kernel's machine code, byte by byte: entries that call TypeScript, and what TypeScript cannot do from outside of an
 * instruction stream: load segment registers, save and restore the FPU, sleep.
 */
import { __HYPERVISOR_iret, __HYPERVISOR_sched_op, SCHEDOP_block, SEMIHOST_PREFIX } from '@domu/xen-abi';
import { ENTRY_FPU_DONE, ENTRY_WOKEN, IMAGE_START } from './layout.ts';

const ENTRY_BYTES = 8;
const NOP = 0x90;
const NR_ENTRIES = 256;

/** The stub that enters TypeScript with `index`. */
export const entryStub = (index: number): number => IMAGE_START + ENTRY_BYTES * index;

const CODE = IMAGE_START + NR_ENTRIES * ENTRY_BYTES;
/** Offsets of the code behind the entries. */
const RESUME_OFFSET = 0;
const IDLE_OFFSET = 0x20;
const FPU_OFFSET = 0x40;

/** Pops gs, fs, es, ds, the general registers and an interrupt frame, and goes to user mode with them. */
export const STUB_RESUME: number = CODE + RESUME_OFFSET;
/** Where in STUB_RESUME each selector is loaded, in the order of the stack; a bad one faults there. */
export const STUB_RESUME_POPS: readonly number[] = [0, 2, 4, 5].map((at) => STUB_RESUME + at);
/** Sleeps until an event comes; then ENTRY_WOKEN. */
export const STUB_IDLE: number = CODE + IDLE_OFFSET;
/** Saves the FPU at EAX unless that is 0, then loads it from EDX unless that is 0; then ENTRY_FPU_DONE. */
export const STUB_FPU: number = CODE + FPU_OFFSET;

const word = (value: number): number[] => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  value >>> 24,
];
const semihost = (index: number): number[] => [...SEMIHOST_PREFIX, index];
const INT_82 = [0xcd, 0x82];

const RESUME = [
  ...[0x0f, 0xa9], //                          pop gs
  ...[0x0f, 0xa1], //                          pop fs
  0x07, //                                     pop es
  0x1f, //                                     pop ds
  0x61, //                                     popa
  0x50, //                                     push eax
  ...[0xb8, ...word(__HYPERVISOR_iret)], //    mov eax, __HYPERVISOR_iret
  ...INT_82,
];

const IDLE = [
  ...[0xb8, ...word(__HYPERVISOR_sched_op)], // mov eax, __HYPERVISOR_sched_op
  ...[0xbb, ...word(SCHEDOP_block)], //         mov ebx, SCHEDOP_block
  ...[0x31, 0xc9], //                           xor ecx, ecx
  ...INT_82,
  ...semihost(ENTRY_WOKEN),
];

/** Through SS: the data segment registers are the user's. */
const FPU = [
  ...[0x85, 0xc0, 0x74, 4], //                  test eax, eax; jz +4
  ...[0x36, 0x0f, 0xae, 0x00], //               fxsave ss:[eax]
  ...[0x85, 0xd2, 0x74, 4], //                  test edx, edx; jz +4
  ...[0x36, 0x0f, 0xae, 0x0a], //               fxrstor ss:[edx]
  ...semihost(ENTRY_FPU_DONE),
];

/** @returns the page of machine code, for IMAGE_START */
export function stubPage(): Uint8Array {
  const page = new Uint8Array(4096).fill(NOP);
  for (let index = 0; index < NR_ENTRIES; index++) page.set(semihost(index), ENTRY_BYTES * index);
  const code = CODE - IMAGE_START;
  page.set(RESUME, code + RESUME_OFFSET);
  page.set(IDLE, code + IDLE_OFFSET);
  page.set(FPU, code + FPU_OFFSET);
  return page;
}
