import type { Insn, MemoryReference } from '../decode/insn.ts';
import { Reg, Seg } from '../names.ts';
import { Imm, type ParsedSpec, parseSpec, sizeOf } from '../operand-spec.ts';
import { isImplicit, mnemonicOf } from './mnemonics.ts';
import { registerName, SEGMENTS } from './registers.ts';

const SIZE_NAMES: Readonly<Record<number, string>> = { 8: 'byte ptr ', 16: 'word ptr ', 32: 'dword ptr ' };

/** Numbers below ten are the same in decimal. */
const hex = (v: number): string => (v >>> 0 < 10 ? `${v}` : `0x${(v >>> 0).toString(16)}`);
const truncate = (v: number, size: number): number => (size === 32 ? v >>> 0 : v & (2 ** size - 1));

const overrideName = (insn: Insn): string => SEGMENTS[insn.segmentOverride] ?? '';

/** An override that names the segment in force anyway is not shown. */
function segmentText(insn: Insn, m: MemoryReference): string {
  const natural = m.base === Reg.ESP || m.base === Reg.EBP ? Seg.SS : Seg.DS;
  return m.segment === natural || insn.row.mnemonic === 'LEA' ? '' : `${overrideName(insn)}:`;
}

function memoryText(insn: Insn, m: MemoryReference): string {
  const { addressSize } = insn;
  const override = segmentText(insn, m);
  const parts: string[] = [];
  if (m.base >= 0) parts.push(registerName(addressSize, m.base));
  if (m.index >= 0) {
    const scale = addressSize === 16 || m.scale === 1 ? '' : `*${m.scale}`;
    parts.push(registerName(addressSize, m.index) + scale);
  }
  if (parts.length === 0) return `${override}[${hex(truncate(m.disp, addressSize))}]`;
  const sign = m.disp < 0 ? '-' : '+';
  const displacement = m.disp === 0 ? '' : sign + hex(Math.abs(m.disp));
  return `${override}[${parts.join('+')}${displacement}]`;
}

/** `index` counts the immediates before this operand. */
function operandText(insn: Insn, spec: ParsedSpec, index: number, eip: number): string {
  const size = sizeOf(spec, { size: insn.operandSize });
  const immediate = insn.immediates[index] ?? 0;
  const modrm = Math.max(insn.modrm, 0);
  switch (spec.kind) {
    case 'rm':
    case 'mem':
      if (!insn.memory) return registerName(size, modrm & 7);
      return (spec.kind === 'rm' ? (SIZE_NAMES[size] ?? '') : '') + memoryText(insn, insn.memory);
    case 'moffs':
      return insn.memory ? (SIZE_NAMES[size] ?? '') + memoryText(insn, insn.memory) : '';
    case 'creg':
      return registerName(size, modrm & 7);
    case 'reg':
      return registerName(size, (modrm >> 3) & 7);
    case 'opreg':
      return registerName(size, insn.row.opcode & 7);
    case 'fixed':
      return registerName(size, spec.fixed);
    case 'segment':
      return SEGMENTS[spec.fixed] ?? '';
    case 'sreg':
      return SEGMENTS[(modrm >> 3) & 7] ?? '';
    case 'control':
      return `cr${(modrm >> 3) & 7}`;
    case 'debug':
      return `dr${(modrm >> 3) & 7}`;
    case 'one':
      return '1';
    case 'rel':
      return hex(truncate(eip + insn.length + immediate, insn.operandSize));
    default:
      return hex(spec.imm === Imm.byte ? immediate : truncate(immediate, insn.operandSize));
  }
}

function prefixText(insn: Insn): string {
  const { rep } = insn.row;
  if (insn.lock) return 'lock ';
  const segment = isImplicit(insn) && insn.segmentOverride >= 0 ? `${overrideName(insn)} ` : '';
  if (!rep || insn.rep === 0) return segment;
  if (rep === 'rep') return `rep ${segment}`;
  return (insn.rep === 0xf3 ? 'repe ' : 'repne ') + segment;
}

function operandTexts(insn: Insn, eip: number): string[] {
  let immediates = 0;
  return insn.row.operands.map((operand) => {
    const spec = parseSpec(operand);
    const text = operandText(insn, spec, immediates, eip);
    if (spec.imm !== Imm.none && spec.imm !== Imm.moffs) immediates++;
    return text;
  });
}

/**
 * Text of an instruction in Intel syntax, as in `lock add dword ptr [eax+ecx*4-0x8], 0x10`.
 * String instructions are spelt with their size (`rep movsd`); their segment override stands before (`rep fs movsd`).
 * @param insn a decoded instruction
 * @param eip  where it lies; targets of jumps are absolute
 */
export function disassemble(insn: Insn, eip: number): string {
  const head = prefixText(insn) + mnemonicOf(insn);
  if (isImplicit(insn)) return head;
  const operands = operandTexts(insn, eip);
  if (insn.row.operands[0] === 'Ap') return `${head} ${operands.reverse().join(':')}`;
  return operands.length === 0 ? head : `${head} ${operands.join(', ')}`;
}
