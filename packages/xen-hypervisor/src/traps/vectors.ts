export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_INT80 = 0x80;

/** Exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP. */
const HAS_ERROR_CODE =
  (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17) | (1 << 21);

export const pushesErrorCode = (vector: number): boolean =>
  vector < 32 && ((HAS_ERROR_CODE >>> vector) & 1) !== 0;

/** Bits of EFLAGS. */
export const EFLAGS_TF = 0x100;
export const EFLAGS_IF = 0x200;
export const EFLAGS_IOPL = 0x3000;
export const EFLAGS_NT = 0x4000;
export const EFLAGS_RF = 0x1_0000;
export const EFLAGS_VM = 0x2_0000;

/** Page-fault error code: the access came from ring 3. */
export const PFEC_user_mode = 4;
export const PFEC_write_access = 2;
export const PFEC_page_present = 1;

/** Error code of an exception raised through an IDT entry. */
export const XEC_IDT = 2;
