import { Reg, Seg } from '../names.ts';
import type { ByteReader } from './byte-reader.ts';
import type { MemoryReference } from './insn.ts';

/** Base and index registers of 16-bit addressing by ModRM.rm. Source: SDM vol. 2, table 2-1. */
const BASE16 = [Reg.EBX, Reg.EBX, Reg.EBP, Reg.EBP, Reg.ESI, Reg.EDI, Reg.EBP, Reg.EBX];
const INDEX16 = [Reg.ESI, Reg.EDI, Reg.ESI, Reg.EDI, -1, -1, -1, -1];
const SCALES = [1, 2, 4, 8] as const;
const NO_REGISTER = -1;

function segmentFor(base: number, override: number): number {
  if (override >= 0) return override;
  return base === Reg.ESP || base === Reg.EBP ? Seg.SS : Seg.DS;
}

/** Reads what follows a ModRM byte that names memory, under 16-bit addressing. */
export function readMemory16(reader: ByteReader, modrm: number, override: number): MemoryReference {
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 0 && rm === 6) {
    const segment = segmentFor(NO_REGISTER, override);
    return { base: NO_REGISTER, index: NO_REGISTER, scale: 1, disp: reader.u16(), segment };
  }
  const base = BASE16[rm] ?? NO_REGISTER;
  const disp = mod === 1 ? reader.s8() : mod === 2 ? reader.s16() : 0;
  return { base, index: INDEX16[rm] ?? NO_REGISTER, scale: 1, disp, segment: segmentFor(base, override) };
}

/** Reads what follows a ModRM byte that names memory, under 32-bit addressing. Source: SDM vol. 2, tables 2-2 and 2-3. */
export function readMemory32(reader: ByteReader, modrm: number, override: number): MemoryReference {
  const mod = modrm >> 6;
  let base = modrm & 7;
  let index = NO_REGISTER;
  let scale: MemoryReference['scale'] = 1;
  if (base === 4) {
    const sib = reader.u8();
    base = sib & 7;
    index = (sib >> 3) & 7;
    scale = SCALES[sib >> 6] ?? 1;
    if (index === 4) index = NO_REGISTER;
  }
  if (mod === 0 && base === 5) base = NO_REGISTER;
  const wide = mod === 2 || base === NO_REGISTER;
  const disp = wide ? reader.s32() : mod === 1 ? reader.s8() : 0;
  return { base, index, scale, disp, segment: segmentFor(base, override) };
}
