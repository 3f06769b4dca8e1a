import { Imm } from '../operand-spec.ts';
import type { Row } from '../row.ts';
import { DECODE_TABLE, GROUP_TABLE } from '../state.ts';

/**
 * Decode table: per opcode (see tableIndex) two words.
 *   word 0: bit 0 ModRM, bit 1 group; bits 8-11 immediate form; bit 12 POP r/m
 *   word 1: row index + 1, or for a group the index of its first slot in the group table
 * Group table: per slot two words {row index + 1, immediate form}; a group has 64 slots: reg | mod3 << 3 | prefix << 4.
 */
export const DECODE_MODRM = 1;
export const DECODE_GROUP = 2;
export const DECODE_IMM_SHIFT = 8;
export const DECODE_POP_RM: number = 1 << 12;
/** ModRM names a register whatever its mod says (MOV to and from control and debug registers). */
export const DECODE_REGISTER_RM: number = 1 << 13;
export const LOCKABLE: number = 1 << 16;
const GROUP_SLOTS = 64;
/** POP r/m: an address based on ESP counts it as already incremented. */
const POP_RM = 0x8f;

/** Index of a mandatory prefix in a group slot. */
export function prefixIndex(prefix: number | undefined): number {
  return prefix === 0x66 ? 1 : prefix === 0xf3 ? 2 : prefix === 0xf2 ? 3 : 0;
}

/** Position of an opcode in the decode table: the maps of one byte, 0F, 0F 38 and 0F 3A. */
export function tableIndex(opcode: number): number {
  if (opcode > 0xffff) return ((opcode >> 8) & 0xff) === 0x38 ? 512 + (opcode & 0xff) : 768 + (opcode & 0xff);
  return opcode > 0xff ? 256 + (opcode & 0xff) : opcode;
}

export function hasModrm(row: Row): boolean {
  if (row.ext !== undefined || row.mod !== undefined) return true;
  return row.specs.some((spec) => spec.modrm);
}

export function immediateForm(row: Row): number {
  const forms = row.specs.map(({ imm }) => imm).filter((f) => f !== Imm.none);
  if (forms.length === 2) return forms[0] === Imm.word ? Imm.wordByte : Imm.far;
  return forms[0] ?? Imm.none;
}

function registerOnly(rows: readonly Row[]): number {
  const named = rows.some((r) => r.specs.some(({ kind }) => kind === 'creg'));
  return named ? DECODE_REGISTER_RM : 0;
}

function isGroup(rows: readonly Row[]): boolean {
  return rows.some((r) => r.ext !== undefined || r.mod !== undefined || r.prefix !== undefined);
}

/** Fills the decode tables in machine memory. */
export function writeDecodeTables(words: Uint32Array, table: readonly Row[]): void {
  const byOpcode = new Map<number, { row: Row; index: number }[]>();
  table.forEach((row, index) => {
    const key = tableIndex(row.opcode);
    const list = byOpcode.get(key) ?? [];
    list.push({ row, index });
    byOpcode.set(key, list);
  });
  let nextGroup = 0;
  for (const [key, list] of byOpcode) {
    const rows = list.map((e) => e.row);
    const slot = (DECODE_TABLE >> 2) + key * 2;
    const modrm = rows.some(hasModrm) ? DECODE_MODRM | registerOnly(rows) : 0;
    const first = list[0];
    if (!first) continue;
    if (!isGroup(rows)) {
      const lock = first.row.lockable ? LOCKABLE : 0;
      words[slot] = modrm | lock | (immediateForm(first.row) << DECODE_IMM_SHIFT);
      words[slot + 1] = first.index + 1;
      continue;
    }
    const pop = key === POP_RM ? DECODE_POP_RM : 0;
    words[slot] = modrm | DECODE_GROUP | pop;
    words[slot + 1] = nextGroup;
    for (const { row, index } of list) fillGroup(words, nextGroup, row, index);
    nextGroup += GROUP_SLOTS;
  }
}

/** Rows with a mandatory prefix win over rows without one, wherever they stand in the table. */
function fillGroup(words: Uint32Array, group: number, row: Row, index: number): void {
  const form = immediateForm(row);
  const prefixes = row.prefix === undefined ? [0, 1, 2, 3] : [prefixIndex(row.prefix)];
  for (const prefix of prefixes) {
    for (let reg = 0; reg < 8; reg++) {
      for (const mod3 of [0, 1]) {
        if (row.ext !== undefined && row.ext !== reg) continue;
        if (row.mod === 'reg' && !mod3) continue;
        if (row.mod === 'mem' && mod3) continue;
        const slot = (GROUP_TABLE >> 2) + (group + reg + mod3 * 8 + prefix * 16) * 2;
        const explicit = ((words[slot + 1] ?? 0) & EXPLICIT_PREFIX) !== 0;
        if (explicit && row.prefix === undefined) continue;
        const mark = row.prefix === undefined ? 0 : EXPLICIT_PREFIX;
        words[slot] = index + 1;
        words[slot + 1] = form | (row.lockable ? LOCKABLE : 0) | mark;
      }
    }
  }
}
const EXPLICIT_PREFIX = 1 << 17;
