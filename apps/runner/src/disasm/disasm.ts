import { type CodeImage, loadCode, loadSymbols } from '@domu/toolstack';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import { NOWHERE, readInput } from '../run/files.ts';
import { UserError } from '../user-error.ts';
import { type Line, linesOf, type Range } from './lines.ts';

/** What `domu disasm` was asked; null: nothing was said. */
export interface DisasmOptions {
  readonly file: string;
  readonly symbol: string | null;
  readonly start: number | null;
  readonly stop: number | null;
  readonly count: number | null;
  /** Where a flat binary lies; null for an ELF file. */
  readonly flatBase: number | null;
  readonly code16: boolean;
  readonly symbolsFile: string | null;
  readonly json: boolean;
}

const END = 2 ** 32;
const LINES_AT_ONCE = 1000;
/** Room for the bytes of most instructions. */
const BYTES_WIDTH = 24;

/** `domu disasm`. @returns the exit code. Errors: UserError */
export async function disasm(options: DisasmOptions, io: HostIo): Promise<number> {
  const image = withSymbols(readImage(options), options.symbolsFile);
  const range = rangeOf(image, options);
  if (!image.segments.some(({ va, bytes }) => range.start < va + bytes.length && va < range.stop))
    throw new UserError(
      `${options.file}: no code ${rangeText(range)}; its code is at ${segmentsText(image)}`,
    );
  const show = options.json ? jsonText : lineText;
  let chunk: string[] = [];
  let left = options.count ?? Number.POSITIVE_INFINITY;
  for (const line of linesOf(image, range, { code16: options.code16 })) {
    if (left-- <= 0) break;
    chunk.push(show(line));
    if (chunk.length < LINES_AT_ONCE) continue;
    await write(io, chunk);
    chunk = [];
  }
  await write(io, chunk);
  return EXIT_OK;
}

/** Errors: UserError */
function readImage({ file, flatBase }: DisasmOptions): CodeImage {
  const bytes = readInput(file, NOWHERE, 'a file with code');
  if (flatBase !== null) {
    if (flatBase + bytes.length > END)
      throw new UserError(
        `--flat: ${bytes.length} bytes from there reach beyond 4 GiB; expected a lower address`,
      );
    const symbols = { count: 0, lookup: () => null, find: () => null };
    return { entry: flatBase, segments: [{ va: flatBase, bytes }], symbols };
  }
  const image = loadCode(bytes);
  if (image.ok) return image.value;
  throw new UserError(`${file}: ${image.error}; a file of code alone needs --flat`);
}

/** Errors: UserError */
function withSymbols(image: CodeImage, file: string | null): CodeImage {
  if (file === null) return image;
  const symbols = loadSymbols(readInput(file, '--symbols', 'a System.map or an ELF file'));
  if (!symbols.ok) throw new UserError(`--symbols: ${file}: ${symbols.error}`);
  return { ...image, symbols: symbols.value };
}

/** Errors: UserError */
function rangeOf({ symbols }: CodeImage, { symbol, start, stop, count, file }: DisasmOptions): Range {
  if (symbol === null) return { start: start ?? 0, stop: stop ?? END };
  const found = symbols.find(symbol);
  if (found === null) {
    const why =
      symbols.count === 0
        ? 'the file has no names; expected --symbols FILE or --start ADDRESS'
        : 'expected the name of a function';
    throw new UserError(`--symbol: there is no ${JSON.stringify(symbol)} in ${file}: ${why}`);
  }
  return { start: start ?? found.address, stop: stop ?? (count === null ? found.end : END) };
}

function rangeText({ start, stop }: Range): string {
  return `from ${hex(start)} to ${hex(stop)}`;
}

function segmentsText({ segments }: CodeImage): string {
  const ranges = segments.slice(0, 4).map(({ va, bytes }) => `${hex(va)} to ${hex(va + bytes.length)}`);
  return ranges.length === 0 ? 'nowhere' : ranges.join(', ');
}

/** As objdump has it: a label, address, bytes, text, and where it leads. */
function lineText({ address, bytes, text, label, target }: Line): string {
  const head = label === null ? '' : `\n${hex8(address)} <${label}>:\n`;
  const raw = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const name = target?.name ? `  <${target.name}>` : '';
  return `${head}${hex8(address)}:  ${raw.padEnd(BYTES_WIDTH)} ${text}${name}\n`;
}

function jsonText({ address, bytes, text, label, target }: Line): string {
  const raw = Buffer.from(bytes).toString('hex');
  return `${JSON.stringify({ address: hex(address), bytes: raw, text, label, target: target && { address: hex(target.address), name: target.name } })}\n`;
}

/** A reader that is slower than we are must not make us keep everything. */
async function write({ stdout }: HostIo, lines: readonly string[]): Promise<void> {
  if (stdout.destroyed || stdout.write(lines.join(''))) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stdout.off('drain', done);
      stdout.off('close', done);
      resolve();
    };
    stdout.on('drain', done);
    stdout.on('close', done);
  });
}

const hex = (value: number): string => `0x${value.toString(16)}`;
const hex8 = (value: number): string => value.toString(16).padStart(8, '0');
