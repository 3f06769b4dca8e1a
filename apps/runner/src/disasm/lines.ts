import type { CodeImage, SymbolTable } from '@domu/toolstack';
import { decode, disassemble, type Insn, isDecodeError } from '@domu/x86-cpu';

/** Longest instruction. */
const MAX_INSN_BYTES = 15;

/** Linear addresses; `stop` is not included. */
export interface Range {
  readonly start: number;
  readonly stop: number;
}

/** One instruction, or one byte that begins none. */
export interface Line {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The function that begins here. */
  readonly label: string | null;
  /** Where a jump or call leads that says so itself. */
  readonly target: { readonly address: number; readonly name: string | null } | null;
}

/** Disassembles what of an image lies in a range. */
export function* linesOf(
  { segments, symbols }: CodeImage,
  range: Range,
  options: { readonly code16: boolean },
): Generator<Line> {
  for (const { va, bytes } of segments) {
    const end = Math.min(bytes.length, range.stop - va);
    for (let at = Math.max(0, range.start - va); at < end; ) {
      const address = va + at;
      const line = lineAt(
        bytes.subarray(at, Math.min(at + MAX_INSN_BYTES, bytes.length)),
        address,
        symbols,
        options,
      );
      yield line;
      at += line.bytes.length;
    }
  }
}

function lineAt(
  code: Uint8Array,
  address: number,
  symbols: SymbolTable,
  options: { readonly code16: boolean },
): Line {
  const hit = symbols.lookup(address);
  const label = hit?.offset === 0 ? printable(hit.name) : null;
  const insn = decode(code, options);
  if (isDecodeError(insn)) {
    const byte = code.subarray(0, 1);
    return {
      address,
      bytes: byte,
      text: `(bad) 0x${byte[0].toString(16).padStart(2, '0')}`,
      label,
      target: null,
    };
  }
  const target = targetOf(insn, address);
  return {
    address,
    bytes: code.subarray(0, insn.length),
    text: disassemble(insn, address),
    label,
    target: target === null ? null : { address: target, name: nameOf(target, symbols) },
  };
}

function targetOf(insn: Insn, address: number): number | null {
  if (!insn.specs.some(({ kind }) => kind === 'rel')) return null;
  const target = (address + insn.length + (insn.immediates[0] ?? 0)) >>> 0;
  return insn.operandSize === 16 ? target & 0xffff : target;
}

function nameOf(address: number, symbols: SymbolTable): string | null {
  const hit = symbols.lookup(address);
  if (hit === null) return null;
  return printable(hit.name) + (hit.offset === 0 ? '' : `+0x${hit.offset.toString(16)}`);
}

/** Names come from the file: nothing in them may steer the terminal. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?');
}
