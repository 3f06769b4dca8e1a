import { Reg } from '../src/names.ts';
import { AC, AF, CF, DF, ID, NT, OF, OSZAPC, TF } from '../src/row.ts';
import type { Instance } from './record/instances.ts';
import type { VectorInput, VectorOutput } from './record/vector.ts';

/** TF is compared where the instruction itself sets it: the recorder sets it for stepping. */
const COMPARED = OSZAPC | DF | AC | NT | ID;
const PAGE_FAULT = 14;
const GENERAL_PROTECTION = 13;

/** What the manuals leave undefined, beyond the row's static mask. */
interface Undefined {
  readonly flags: number;
  /** The destination as well. */
  readonly result: boolean;
}

const SHIFTS: ReadonlySet<string> = new Set(['SHL', 'SHR', 'SAL', 'SAR']);
const ROTATES: ReadonlySet<string> = new Set(['ROL', 'ROR', 'RCL', 'RCR']);
const DOUBLE_SHIFTS: ReadonlySet<string> = new Set(['SHLD', 'SHRD']);

function shiftCount({ row }: Instance, input: VectorInput): number {
  if (row.operands.includes('CL')) return (input.regs[Reg.ECX] as number) & 31;
  if (row.operands.includes('Ib')) return (input.code.at(-1) as number) & 31;
  return 1;
}

/** Shifts and rotations by their count. Source: SDM vol. 2, "Flags affected" of RCL, SAL and SHLD. */
function undefinedByCount(instance: Instance, input: VectorInput): Undefined {
  const { mnemonic } = instance.row;
  const count = shiftCount(instance, input);
  const size = instance.row.operands[0]?.includes('b') ? 8 : instance.operandSize;
  if (count === 0) return { flags: 0, result: false };
  const overflow = count === 1 ? 0 : OF;
  if (ROTATES.has(mnemonic)) return { flags: overflow, result: false };
  if (DOUBLE_SHIFTS.has(mnemonic) && count > size) return { flags: OSZAPC, result: true };
  const carry = mnemonic !== 'SAR' && SHIFTS.has(mnemonic) && count >= size ? CF : 0;
  return { flags: overflow | AF | carry, result: false };
}

function undefinedIn(instance: Instance, input: VectorInput): Undefined {
  const { mnemonic, undef } = instance.row;
  if (SHIFTS.has(mnemonic) || ROTATES.has(mnemonic) || DOUBLE_SHIFTS.has(mnemonic)) {
    return undefinedByCount(instance, input);
  }
  return { flags: undef ?? 0, result: false };
}

const sameBytes = (a: VectorOutput, b: VectorOutput): boolean =>
  a.changes.length === b.changes.length &&
  a.changes.every((change, i) => {
    const other = b.changes[i];
    return (
      other !== undefined &&
      change.address === other.address &&
      change.bytes.length === other.bytes.length &&
      change.bytes.every((byte, j) => byte === other.bytes[j])
    );
  });

const isFault = (v: VectorOutput): boolean => v.vector >= 0;

/**
 * Where the host is not followed, since manuals leave it open and programs cannot rely on it:
 *  - POPA: the host leaves the registers that it popped before a page fault; ours changes nothing.
 *  - far CALL: the host pushes before it checks the target's limit, so a refused call leaves words below ESP.
 *  - far RET and IRET to another level than 3: the host reads the outer stack before it refuses; a 32-bit program cannot
 *    get there.
 *  - UD0 and UD1: the host does not fetch their ModRM and displacement.
 *  - INS and OUTS that repeat zero times need no permission here.
 */
const HOST_ONLY: Readonly<
  Record<string, (input: VectorInput, host: VectorOutput, ours: VectorOutput) => boolean>
> = {
  CALLF: (_, host, ours) => isFault(host) && ours.vector === GENERAL_PROTECTION,
  RETF: (_, host, ours) => isFault(host) && ours.vector === GENERAL_PROTECTION,
  IRET: (_, host, ours) => isFault(host) && ours.vector === GENERAL_PROTECTION,
  UD0: (_, host, ours) => isFault(host) && ours.vector === PAGE_FAULT,
  UD1: (_, host, ours) => isFault(host) && ours.vector === PAGE_FAULT,
  INS: (_, host, ours) => host.vector === GENERAL_PROTECTION && !isFault(ours),
  OUTS: (_, host, ours) => host.vector === GENERAL_PROTECTION && !isFault(ours),
};

/** POPA on the host leaves the registers that it popped before a page fault; ours changes nothing. */
const keepsPartialResult = (instance: Instance, host: VectorOutput): boolean =>
  instance.row.mnemonic === 'POPA' && host.vector === PAGE_FAULT;

/** @returns what differs, by name; empty when the emulated CPU did what the host did. */
export function differences(
  instance: Instance,
  input: VectorInput,
  host: VectorOutput,
  ours: VectorOutput,
): string[] {
  if (HOST_ONLY[instance.row.mnemonic]?.(input, host, ours)) return [];
  const completed = host.vector < 0;
  const undefinedParts = completed ? undefinedIn(instance, input) : { flags: 0, result: false };
  const tf = completed && instance.row.mnemonic === 'POPF' ? TF : 0;
  const flags = (host.eflags ^ ours.eflags) & (COMPARED | tf) & ~undefinedParts.flags;
  const registers = host.regs.filter((v, i) => v !== ours.regs[i]).length;
  const found: string[] = [];
  if (registers > 0 && !undefinedParts.result && !keepsPartialResult(instance, host)) found.push('registers');
  if (flags !== 0) found.push(`flags ${flags.toString(16)}`);
  if (host.eip !== ours.eip) found.push('eip');
  if (host.vector !== ours.vector) found.push(`vector ${host.vector}, not ${ours.vector}`);
  if (host.errorCode !== ours.errorCode) found.push(`error code ${host.errorCode}, not ${ours.errorCode}`);
  if (host.selectors.some((v, i) => v !== ours.selectors[i])) found.push('selectors');
  if (host.cr2 !== ours.cr2) found.push('cr2');
  if (host.steps !== ours.steps) found.push('steps');
  if (!undefinedParts.result && !sameBytes(host, ours)) found.push('memory');
  return found;
}
