/**
 * A task's user registers while it is not in user mode, laid out as the resume stub pops them: index of each 32-bit word.
 */
export const GS = 0;
export const FS = 1;
export const ES = 2;
export const DS = 3;
export const EDI = 4;
export const ESI = 5;
export const EBP = 6;
export const EBX = 8;
export const EDX = 9;
export const ECX = 10;
export const EAX = 11;
export const EIP = 12;
export const CS = 13;
export const EFLAGS = 14;
export const ESP = 15;
export const SS = 16;
export const NR_USER_REGISTERS = 17;

/** Bits of EFLAGS that user mode may set by a signal frame: AC OF DF TF SF ZF AF PF CF RF. */
export const USER_FLAGS = 0x0005_0dd5;
export const EFLAGS_FIXED = 2;
export const EFLAGS_IF = 0x200;
export const EFLAGS_DF = 0x400;
export const EFLAGS_TF = 0x100;
