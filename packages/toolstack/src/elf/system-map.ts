import { fail, ok, type Result } from '../result.ts';
import { parseElf } from './elf.ts';
import { type CodeSymbol, readSymbols, type SymbolTable, symbolTable } from './symbols.ts';

/** Address in hexadecimal, type as nm shows it, name. */
const LINE = /^([0-9a-f]{1,16}) ([A-Za-z?]) (\S{1,512})/;
const CODE_TYPES = 'tTwW';

/**
 * Reads names of code addresses for an image that carries none itself, as those in a bzImage.
 * @param bytes the image before it was stripped (an ELF file), or the System.map that a Linux build leaves beside it
 * @returns the names, or one line that says what is wrong; never throws
 */
export function loadSymbols(bytes: Uint8Array): Result<SymbolTable> {
  if (bytes[0] === 0x7f) {
    const elf = parseElf(bytes);
    return elf.ok ? ok(readSymbols(elf.value)) : elf;
  }
  const symbols = readSystemMap(new TextDecoder('latin1').decode(bytes));
  return symbols.length > 0
    ? ok(symbolTable(() => symbols))
    : fail('no line of the form "c1000000 T name"; expected a System.map or an ELF file with symbols');
}

/** Each name reaches to the next one, be it of code or data. */
function readSystemMap(text: string): CodeSymbol[] {
  const all: { address: number; type: string; name: string }[] = [];
  for (const line of text.split('\n')) {
    const [, address, type, name] = LINE.exec(line) ?? [];
    if (name !== undefined) all.push({ address: Number.parseInt(address, 16), type, name });
  }
  all.sort((a, b) => a.address - b.address);
  const code: CodeSymbol[] = [];
  for (const [i, { address, type, name }] of all.entries()) {
    if (!CODE_TYPES.includes(type) || address === all[i - 1]?.address) continue;
    const next = all.slice(i + 1, i + 64).find((symbol) => symbol.address > address);
    if (next) code.push({ address, name, end: next.address });
  }
  return code;
}
