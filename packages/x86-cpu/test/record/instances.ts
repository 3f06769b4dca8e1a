import { Imm, parseSpec } from '../../src/operand-spec.ts';
import type { Row } from '../../src/row.ts';

/** Where the r/m operand lies; `none` for rows without ModRM. */
export type FormKind = 'none' | 'reg' | 'mem';

/** A row in one operand size and one form of its r/m operand: the unit of recording. */
export interface Instance {
  /** Names the instance in the vectors file, whatever the order of the table. */
  readonly key: string;
  readonly row: Row;
  readonly operandSize: 16 | 32;
  readonly form: FormKind;
}

const MNEMONICS_BY_OPERAND_SIZE =
  /^(PUSH|POP|I?RET|CALL|J|LOOP|ENTER|LEAVE|CWDE|CDQ|MOVS|CMPS|STOS|LODS|SCAS|BT|BOUND|IMUL)/;

export function hasModrm(row: Row): boolean {
  return row.ext !== undefined || row.mod !== undefined || row.operands.some((o) => parseSpec(o).modrm);
}

/** The operand size can matter: else only the 32-bit instance is recorded. */
function dependsOnOperandSize(row: Row): boolean {
  if (MNEMONICS_BY_OPERAND_SIZE.test(row.mnemonic)) return true;
  return row.operands.some((o) => {
    const spec = parseSpec(o);
    return spec.size === 'v' || spec.imm === Imm.operand;
  });
}

function forms(row: Row): readonly FormKind[] {
  if (!hasModrm(row)) return ['none'];
  return row.mod ? [row.mod] : ['reg', 'mem'];
}

export function rowKey(row: Row): string {
  const parts = [row.opcode.toString(16).padStart(2, '0')];
  if (row.ext !== undefined) parts.push(`/${row.ext}`);
  if (row.prefix !== undefined) parts.push(`p${row.prefix.toString(16)}`);
  return `${parts.join('')} ${[row.mnemonic, row.operands.join(',')].join(' ').trim()}`;
}

/** All instances of the rows that can be recorded. */
export function instancesOf(rows: readonly Row[]): Instance[] {
  return rows
    .filter((row) => row.unrecorded === undefined)
    .flatMap((row) =>
      ([32, 16] as const)
        .filter((size) => size === 32 || dependsOnOperandSize(row))
        .flatMap((operandSize) =>
          forms(row).map((form) => ({
            key: `${rowKey(row)} ${operandSize} ${form}`,
            row,
            operandSize,
            form,
          })),
        ),
    );
}
