import type { SymbolTable } from '@domu/toolstack';
import type { CrashReport } from '@domu/xen-hypervisor';

const WORDS_PER_LINE = 8;
const MAX_GUESSES = 16;

/**
 * A crash for people: registers, stack trace with symbols where the image has them, top of the stack.
 * Words on the stack that point into code, but are not in the chain of frames, are listed with a question mark: kernels
 * without frame pointers leave nothing better.
 * @param xenConsole what the guest last wrote to Xen's own console
 */
export function crashText(
  report: CrashReport,
  symbols: SymbolTable,
  xenConsole: readonly string[] = [],
): string {
  const trace = report.backtrace.map((address) => `  ${codeAddress(address, symbols)}`);
  const known = new Set(report.backtrace);
  const guesses = report.stack
    .filter((word) => !known.has(word) && symbols.lookup(word) !== null)
    .slice(0, MAX_GUESSES)
    .map((word) => `  ${codeAddress(word, symbols)} ?`);
  return [
    `vcpu ${report.vcpu} registers:`,
    ...report.registers.map((line) => `  ${line}`),
    'stack trace:',
    ...trace,
    ...guesses,
    'stack:',
    ...stackLines(report.stack),
    ...(xenConsole.length > 0
      ? ["last lines on Xen's console:", ...xenConsole.map((line) => `  ${printable(line)}`)]
      : []),
    '',
  ].join('\n');
}

function codeAddress(address: number, symbols: SymbolTable): string {
  const hit = symbols.lookup(address);
  const name = hit ? ` ${printable(hit.name)}+0x${hit.offset.toString(16)}` : '';
  return `[<${hex8(address)}>]${name}`;
}

function stackLines(words: readonly number[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < words.length; i += WORDS_PER_LINE) {
    lines.push(
      `  ${words
        .slice(i, i + WORDS_PER_LINE)
        .map(hex8)
        .join(' ')}`,
    );
  }
  return lines.length > 0 ? lines : ['  (not readable)'];
}

/** Names and lines come from the guest: nothing of theirs may steer the terminal. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?');
}

function hex8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
