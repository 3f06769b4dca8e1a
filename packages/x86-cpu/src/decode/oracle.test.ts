import {
  Code,
  CpuidFeature,
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  MemorySizeOptions,
} from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { Random } from '../../test/record/random.ts';
import { disassemble } from '../disasm/index.ts';
import { undefinedOpcode } from '../table/common.ts';
import { decode, isDecodeError } from './index.ts';
import type { Insn } from './insn.ts';

const STRINGS = 60_000;
const EIP = 0x1000;
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

/** Features whose instructions all have rows. What iced decodes for any other feature has no row: #UD. */
const OURS: ReadonlySet<number> = new Set([
  CpuidFeature.INTEL8086,
  CpuidFeature.INTEL186,
  CpuidFeature.INTEL286,
  CpuidFeature.INTEL386,
  CpuidFeature.INTEL486,
  CpuidFeature.CPUID,
  CpuidFeature.MSR,
  CpuidFeature.TSC,
  CpuidFeature.RDPMC,
  CpuidFeature.CX8,
  CpuidFeature.CMOV,
  CpuidFeature.SEP,
  CpuidFeature.SYSCALL,
  CpuidFeature.MULTIBYTENOP,
  CpuidFeature.PAUSE,
  CpuidFeature.CLFSH,
  CpuidFeature.PREFETCHW,
]);
/** iced calls the register form of 0F 0D a NOP; processors raise #UD (checked on an AMD one). */
const PREFETCH_REGISTER: ReadonlySet<number> = new Set([
  Code.Reservednop_rm16_r16_0F0D,
  Code.Reservednop_rm32_r32_0F0D,
]);

/** Random bytes, rich in prefixes and two-byte opcodes. */
function randomCode(r: Random): Uint8Array {
  const bytes = Uint8Array.from({ length: 15 }, () => r.u32());
  let at = 0;
  while (at < 4 && r.oneIn(3)) bytes[at++] = r.pick(PREFIXES);
  if (r.oneIn(3)) bytes[at] = 0x0f;
  return bytes;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Rows of x87, MMX and SSE: only their length is compared. */
const onlyLength = ({ row }: Insn): boolean => /x87|SIMD|approximate/.test(row.unrecorded ?? '');
const isReserved = ({ row }: Insn): boolean => row.sem === undefinedOpcode;

/** Rows whose text is not compared: operands that are not modelled, or other instructions under a prefix on newer processors. */
const OTHER_TEXT = /^(NOP|PREFETCHW?|UD[01]|LAR|LSL|LTR|LLDT|LMSW|BSF|BSR|WBINVD|[LMS]FENCE|CLFLUSH)$/;

const IMPLICIT = /^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS|XLAT)$/;

function normaliseIced(insn: Insn, text: string): string {
  const { mnemonic, operands } = insn.row;
  let s = text.replace('*1', '').replace(/^((data|addr)(16|32) )+/, '');
  s = s.replace(/^(bnd |hint-(not-)?taken |xacquire |xrelease |notrack )*/, '');
  s = s.replace(/^repne (ins|outs|movs|lods|stos)/, 'rep $1').replace(/^ret far/, 'retf');
  s = s.replace(/^rep\w* (?!ins|outs|movs|cmps|scas|stos|lods)/, '').replace(/^bnd /, '');
  if (/^(MOVS|CMPS|STOS|LODS|SCAS|INS|OUTS|XLAT)$/.test(mnemonic))
    s = s.replace(/^((?:rep\w* )?\w+) .*/, '$1');
  if (operands.includes('M')) s = s.replace(/(byte|word|dword|fword|qword|tbyte) ptr /, '');
  if (mnemonic === 'IMUL') s = s.replace(/^imul (\w+), (0x\w+|\d)$/, 'imul $1, $1, $2');
  return s.replace(/^(call|jmp) far (\w+), (\w+)$/, '$1 far $3:$2');
}

const normaliseOurs = (insn: Insn, text: string): string =>
  IMPLICIT.test(insn.row.mnemonic) ? text.replace(/\b[c-gs]s /, '') : text.replace(/^sal /, 'shl ');

describe.each([
  { bits: 32, code16: false },
  { bits: 16, code16: true },
])('the decoder against iced-x86, $bits-bit code', ({ bits, code16 }) => {
  it('agrees on validity, length and text', () => {
    const formatter = new Formatter(FormatterSyntax.Intel);
    formatter.hexPrefix = '0x';
    formatter.hexSuffix = '';
    formatter.uppercaseHex = false;
    formatter.spaceAfterOperandSeparator = true;
    formatter.branchLeadingZeros = false;
    formatter.showBranchSize = false;
    formatter.memorySizeOptions = MemorySizeOptions.Always;
    const random = new Random(`iced ${bits}`);
    const wrong: string[] = [];
    let texts = 0;
    for (let i = 0; i < STRINGS; i++) {
      const bytes = randomCode(random);
      const decoder = new Decoder(bits, bytes, DecoderOptions.None);
      decoder.ip = BigInt(EIP);
      const theirs = decoder.decode();
      const ours = decode(bytes, { code16 });
      if (isDecodeError(ours)) {
        const known = theirs.cpuidFeatures().some((f) => OURS.has(f)) && !PREFETCH_REGISTER.has(theirs.code);
        if (!theirs.isInvalid && known)
          wrong.push(`${hex(bytes)}: ${ours.error}, but ${formatter.format(theirs)}`);
      } else if (theirs.isInvalid) {
        if (!onlyLength(ours) && !isReserved(ours))
          wrong.push(`${hex(bytes)}: invalid, not ${ours.row.mnemonic}`);
      } else if (theirs.length !== ours.length) {
        wrong.push(`${hex(bytes)}: ${theirs.length} bytes, not ${ours.length}`);
      } else if (!onlyLength(ours) && !OTHER_TEXT.test(ours.row.mnemonic)) {
        texts++;
        const expected = normaliseIced(ours, formatter.format(theirs));
        const got = normaliseOurs(ours, disassemble(ours, EIP));
        if (expected !== got) wrong.push(`${hex(bytes)}: ${expected}, not ${got}`);
      }
      theirs.free();
      decoder.free();
    }
    formatter.free();
    expect(wrong).toEqual([]);
    expect(texts).toBeGreaterThan(STRINGS / 2);
  }, 60_000);
});
