import { Reg } from '../../src/names.ts';
import type { CaseBuilder } from './case-builder.ts';

/** ModRM.mod and rm with what follows, so that the effective address lies at a chosen place. */
export interface Addressing {
  readonly modRm: number;
  readonly bytes: readonly number[];
  /** Linear address of the operand. */
  readonly linear: number;
}

const REGISTERS16: readonly (readonly number[])[] = [
  [Reg.EBX, Reg.ESI],
  [Reg.EBX, Reg.EDI],
  [Reg.EBP, Reg.ESI],
  [Reg.EBP, Reg.EDI],
  [Reg.ESI],
  [Reg.EDI],
  [Reg.EBP],
  [Reg.EBX],
];

const little = (v: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => (v >> (8 * i)) & 0xff);
/** An addressing form before its segment is known. */
interface Made {
  readonly modRm: number;
  readonly bytes: readonly number[];
  readonly offset: number;
}

const disp8 = (c: CaseBuilder): number => (c.random.below(256) << 24) >> 24;

function addressing16(c: CaseBuilder, offset: number): Made {
  const rm = c.random.below(8);
  const registers = REGISTERS16[rm] ?? [];
  let mod = c.random.below(3);
  if (mod === 0 && rm === 6) return { modRm: rm, bytes: little(offset, 2), offset: offset & 0xffff };
  const base = registers[0] as number;
  const rest = (registers.slice(1).map((r) => c.regs[r] as number)[0] ?? 0) & 0xffff;
  if (mod < 2 && c.pinned.has(base)) mod = 2;
  if (mod === 2) {
    const disp = offset - ((c.regs[base] as number) + rest);
    return { modRm: 0x80 | rm, bytes: little(disp, 2), offset: offset & 0xffff };
  }
  const disp = mod === 1 ? disp8(c) : 0;
  const wanted = (offset - rest - disp) & 0xffff;
  c.regs[base] = (wanted | (c.random.u32() << 16)) >>> 0;
  return { modRm: (mod << 6) | rm, bytes: mod === 1 ? [disp & 0xff] : [], offset: offset & 0xffff };
}

function addressing32(c: CaseBuilder, offset: number): Made {
  const { random } = c;
  let mod = random.below(3);
  const rm = random.below(8);
  const sib = random.below(256);
  const base = rm === 4 ? sib & 7 : rm;
  const indexed = rm === 4 && ((sib >> 3) & 7) !== 4;
  const index = (sib >> 3) & 7;
  const indexValue = indexed ? (c.regs[index] as number) << (sib >> 6) : 0;
  const head = rm === 4 ? [sib] : [];
  if (mod === 0 && base === 5) {
    return { modRm: rm, bytes: [...head, ...little(offset - indexValue, 4)], offset };
  }
  const near = c.pointers.has(base) && c.displacement === 0 && !indexed && mod < 2;
  if (near) {
    const disp = mod === 1 ? disp8(c) : 0;
    const bytes = mod === 1 ? [...head, disp & 0xff] : head;
    return { modRm: (mod << 6) | rm, bytes, offset: ((c.regs[base] as number) + disp) >>> 0 };
  }
  if (mod < 2 && (c.pinned.has(base) || (indexed && index === base))) mod = 2;
  if (mod === 2) {
    const disp = offset - ((c.regs[base] as number) + indexValue);
    return { modRm: 0x80 | rm, bytes: [...head, ...little(disp, 4)], offset };
  }
  const disp = mod === 1 ? disp8(c) : 0;
  c.regs[base] = (offset - indexValue - disp) >>> 0;
  return { modRm: (mod << 6) | rm, bytes: mod === 1 ? [...head, disp & 0xff] : head, offset };
}

/** Picks an addressing form at random and settles displacement or base register so that it meets data. */
export function chooseAddressing(c: CaseBuilder): Addressing {
  const base = c.dataBase();
  const offset = (c.target() - c.displacement - base) >>> 0;
  const { modRm, bytes, ...made } = c.addressSize === 16 ? addressing16(c, offset) : addressing32(c, offset);
  return { modRm, bytes, linear: (made.offset + base + c.displacement) >>> 0 };
}
