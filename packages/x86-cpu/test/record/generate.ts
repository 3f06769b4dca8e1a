import { Imm, parseSpec } from '../../src/operand-spec.ts';
import type { Addressing } from './addressing.ts';
import { chooseAddressing } from './addressing.ts';
import { CaseBuilder } from './case-builder.ts';
import type { Instance } from './instances.ts';
import { hasModrm } from './instances.ts';
import { applyProfile } from './profiles.ts';
import { operandValue, Random } from './random.ts';
import { farOffset } from './segment-profiles.ts';
import { CODE_SELECTORS } from './segments.ts';
import type { VectorInput } from './vector.ts';

/** Vectors of each instance. */
export const VECTORS_PER_INSTANCE = 200;

const little = (v: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => (v >>> (8 * i)) & 0xff);

function immediate(c: CaseBuilder, form: number): number[] {
  const { random, instance } = c;
  switch (form) {
    case Imm.none:
      return [];
    case Imm.byte:
    case Imm.signedByte:
      return little(random.oneIn(2) ? random.u32() : operandValue(random), 1);
    case Imm.word:
      return little(instance.row.mnemonic === 'ENTER' ? random.below(64) : operandValue(random), 2);
    case Imm.far:
      return little(farOffset(c), instance.operandSize / 8);
    case Imm.moffs:
      return little(c.target() - c.dataBase(), c.addressSize / 8);
    default:
      return little(c.value(), instance.operandSize / 8);
  }
}

/** The nesting level of ENTER is mostly small. */
function enterLevel(c: CaseBuilder): number[] {
  return [c.random.oneIn(8) ? c.random.below(256) : c.random.below(4)];
}

function immediates(c: CaseBuilder): number[] {
  const { operands, mnemonic } = c.instance.row;
  return operands.flatMap((operand, i) => {
    if (mnemonic === 'ENTER' && i === 1) return enterLevel(c);
    if (operands[0] === 'Ap' && i === 1) return little(c.random.pick(CODE_SELECTORS), 2);
    return immediate(c, parseSpec(operand).imm);
  });
}

function modrmBytes(c: CaseBuilder): number[] {
  const { instance, random } = c;
  if (!hasModrm(instance.row)) return [];
  const reg = instance.row.ext ?? random.below(8);
  if (c.bitIndex !== null) {
    c.regs[reg] = instance.operandSize === 16 ? (c.bitIndex & 0xffff) | (random.u32() << 16) : c.bitIndex;
    c.regs[reg] = (c.regs[reg] as number) >>> 0;
    c.pinned.add(reg);
  }
  if (instance.row.operands.some((o) => parseSpec(o).kind === 'creg'))
    return [(random.below(256) & 0xc7) | (reg << 3)];
  if (instance.form === 'reg') return [0xc0 | (reg << 3) | random.below(8)];
  const addressing: Addressing = chooseAddressing(c);
  c.patch32(addressing.linear, ...c.memoryValues);
  if (instance.row.lockable) c.lock = random.oneIn(8);
  return [addressing.modRm | (reg << 3), ...addressing.bytes];
}

function makeCase(instance: Instance, random: Random): VectorInput {
  const { row } = instance;
  const c = new CaseBuilder(instance, random);
  if (row.prefix === 0xf2 || row.prefix === 0xf3) c.rep = row.prefix;
  applyProfile(c);
  const tail = [...modrmBytes(c), ...immediates(c)];
  const opcode = row.opcode > 0xff ? [0x0f, row.opcode & 0xff] : [row.opcode];
  return c.finish([...c.prefixes(), ...opcode, ...tail]);
}

/** The vectors of an instance, the same ones at every call with the same seed; the recorded ones have none. */
export function generate(instance: Instance, count: number = VECTORS_PER_INSTANCE, seed = ''): VectorInput[] {
  const random = new Random(instance.key + seed);
  return Array.from({ length: count }, () => makeCase(instance, random));
}
