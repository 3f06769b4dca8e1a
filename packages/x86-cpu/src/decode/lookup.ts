import type { ParsedSpec } from '../operand-spec.ts';
import type { Row } from '../row.ts';

/** A row with its operand codes taken apart. */
export interface Form {
  readonly row: Row;
  readonly rowIndex: number;
  readonly specs: readonly ParsedSpec[];
  /** ModRM names a register whatever its `mod` says (MOV to and from control and debug registers). */
  readonly registerOnly: boolean;
}

/** What the opcode byte selects; `forms` has one entry, or 64 by ModRM and mandatory prefix (see `slotOf`). */
export interface OpcodeEntry {
  readonly modrm: boolean;
  readonly forms: readonly (Form | undefined)[];
}

const SLOTS = 64;

/** Position of an opcode in the lookup: the byte; 256, 512 or 768 + the byte after 0F, 0F 38 or 0F 3A. */
export function opcodeIndex(opcode: number): number {
  if (opcode > 0xffff) return ((opcode >> 8) & 0xff) === 0x38 ? 512 + (opcode & 0xff) : 768 + (opcode & 0xff);
  return opcode > 0xff ? 256 + (opcode & 0xff) : opcode;
}

/** Selection among the rows of one opcode: ModRM.reg, whether ModRM names a register, and the mandatory prefix. */
export function slotOf(modrm: number, prefix: number): number {
  const register = modrm >= 0xc0 ? 8 : 0;
  return ((modrm >> 3) & 7) + register + prefixNumber(prefix) * 16;
}

function prefixNumber(prefix: number): number {
  return prefix === 0x66 ? 1 : prefix === 0xf3 ? 2 : prefix === 0xf2 ? 3 : 0;
}

function formOf(row: Row, rowIndex: number): Form {
  const { specs } = row;
  const registerOnly = specs.some((s) => s.kind === 'creg');
  return { row, rowIndex, specs, registerOnly };
}

const needsModrm = ({ row, specs }: Form): boolean =>
  row.ext !== undefined || row.mod !== undefined || specs.some((s) => s.modrm);

/** A row that asks for the prefix wins over one that takes any. */
function pick(forms: readonly Form[], slot: number): Form | undefined {
  let any: Form | undefined;
  for (const form of forms) {
    const { ext, mod, prefix } = form.row;
    if (ext !== undefined && ext !== (slot & 7)) continue;
    if (mod !== undefined && (mod === 'reg') !== ((slot & 8) !== 0)) continue;
    if (prefix === undefined) any ??= form;
    else if (prefixNumber(prefix) === slot >> 4) return form;
  }
  return any;
}

/** Builds the lookup of a table: 1024 entries by `opcodeIndex`. */
export function buildLookup(rows: readonly Row[]): readonly (OpcodeEntry | undefined)[] {
  const byOpcode: Form[][] = Array.from({ length: 1024 }, () => []);
  rows.forEach((row, i) => {
    byOpcode[opcodeIndex(row.opcode)]?.push(formOf(row, i));
  });
  return byOpcode.map((forms) => {
    if (forms.length === 0) return undefined;
    const modrm = forms.some(needsModrm);
    const simple = forms.every(
      ({ row }) => row.ext === undefined && row.mod === undefined && row.prefix === undefined,
    );
    if (simple) return { modrm, forms };
    return { modrm, forms: Array.from({ length: SLOTS }, (_, slot) => pick(forms, slot)) };
  });
}
