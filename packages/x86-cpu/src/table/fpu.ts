import { FpuClass } from '../helpers/helper-cpu.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';
import { EIGHT } from './common.ts';

/** The helper raises #NM or #UD; only WAIT passes it. */
const fpu =
  (kind: number): Sem =>
  (o) =>
    o.helper('fpu', o.c(kind));

const x87 = fpu(FpuClass.X87);
const mmx = fpu(FpuClass.Mmx);
const sse = fpu(FpuClass.Sse);
const absent = { unrecorded: 'x87, MMX and SSE are not implemented' };

/** Two-byte opcodes without a mandatory prefix; other prefixes select a form of the same length. */
const SSE_OPCODES: Readonly<Record<number, string>> = {
  16: 'MOVUPS MOVUPS MOVLPS MOVLPS UNPCKLPS UNPCKHPS MOVHPS MOVHPS',
  40: 'MOVAPS MOVAPS CVTPI2PS MOVNTPS CVTTPS2PI CVTPS2PI UCOMISS COMISS',
  80: 'MOVMSKPS SQRTPS RSQRTPS RCPPS ANDPS ANDNPS ORPS XORPS',
  88: 'ADDPS MULPS CVTPS2PD CVTDQ2PS SUBPS MINPS DIVPS MAXPS',
};
const MMX_OPCODES: Readonly<Record<number, string>> = {
  96: 'PUNPCKLBW PUNPCKLWD PUNPCKLDQ PACKSSWB PCMPGTB PCMPGTW PCMPGTD PACKUSWB',
  104: 'PUNPCKHBW PUNPCKHWD PUNPCKHDQ PACKSSDW PUNPCKLQDQ PUNPCKHQDQ MOVD MOVQ',
  116: 'PCMPEQB PCMPEQW PCMPEQD',
  126: 'MOVD MOVQ',
  209: 'PSRLW PSRLD PSRLQ PADDQ PMULLW MOVQ PMOVMSKB',
  216: 'PSUBUSB PSUBUSW PMINUB PAND PADDUSB PADDUSW PMAXUB PANDN',
  224: 'PAVGB PSRAW PSRAD PAVGW PMULHUW PMULHW CVTPD2DQ MOVNTQ',
  232: 'PSUBSB PSUBSW PMINSW POR PADDSB PADDSW PMAXSW PXOR',
  241: 'PSLLW PSLLD PSLLQ PMULUDQ PMADDWD PSADBW MASKMOVQ',
  248: 'PSUBB PSUBW PSUBD PSUBQ PADDB PADDW PADDD',
};

const named = (table: Readonly<Record<number, string>>, sem: Sem): Row[] =>
  Object.entries(table).flatMap(([first, names]) =>
    names.split(' ').map((name, i) => row(0x0f00 + Number(first) + i, `${name} M`, absent, sem)),
  );

/** Floating point and SIMD: decoded to their full length, none executed yet. */
export const FPU_ROWS: readonly Row[] = [
  ...EIGHT.map((i) => row(0xd8 + i, 'ESC M', absent, x87)),
  row(0x9b, 'WAIT', absent, fpu(FpuClass.Wait)),
  row(0x0fae, 'FXSAVE M', { ext: 0, mod: 'mem', ...absent }, x87),
  row(0x0fae, 'FXRSTOR M', { ext: 1, mod: 'mem', ...absent }, x87),
  row(0x0fae, 'LDMXCSR M', { ext: 2, mod: 'mem', ...absent }, sse),
  row(0x0fae, 'STMXCSR M', { ext: 3, mod: 'mem', ...absent }, sse),
  ...named(SSE_OPCODES, sse),
  ...named(MMX_OPCODES, mmx),
  row(0x0f70, 'PSHUFW M,Ib', absent, mmx),
  row(0x0f71, 'PSHIFTW M,Ib', absent, mmx),
  row(0x0f72, 'PSHIFTD M,Ib', absent, mmx),
  row(0x0f73, 'PSHIFTQ M,Ib', absent, mmx),
  row(0x0f77, 'EMMS', absent, mmx),
  row(0x0fc2, 'CMPPS M,Ib', absent, sse),
  row(0x0fc4, 'PINSRW M,Ib', absent, mmx),
  row(0x0fc5, 'PEXTRW M,Ib', absent, mmx),
  row(0x0fc6, 'SHUFPS M,Ib', absent, sse),
];
