import { type Command, Option } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import { addressOption } from '../options/address.ts';
import { countOption } from '../options/count.ts';

interface ParsedOptions {
  symbol?: string;
  start?: number;
  stop?: number;
  count?: number;
  flat?: number | true;
  bits: '16' | '32';
  symbols?: string;
  json?: boolean;
}

/** `domu disasm`. */
export function disasmCommand(context: CommandContext): Command {
  const address = (name: string) => (text: string) => addressOption(name, text);
  return newCommand(context, 'disasm')
    .summary('disassemble i386 code, as the emulated processor decodes it')
    .description(
      'Disassembles an i386 ELF file, a bzImage, or a flat binary, with the decoder of the emulated processor: what it calls bad,\nit would not execute. Without a range all code is shown.',
    )
    .usage('FILE [OPTIONS]')
    .argument('<FILE>', 'ELF file, compressed or in a bzImage; or with --flat bytes')
    .option('--symbol <NAME>', 'a function')
    .option('--start <ADDRESS>', 'from here (hexadecimal)', address('--start'))
    .option('--stop <ADDRESS>', 'up to here, not included', address('--stop'))
    .option('-n, --count <N>', 'at most so many instructions', countOption)
    .option('--flat [ADDRESS]', 'the file is code that lies at this address (default 0)', address('--flat'))
    .addOption(
      new Option('--bits <BITS>', 'default size of operands and addresses')
        .choices(['16', '32'])
        .default('32'),
    )
    .option('--symbols <FILE>', 'System.map or unstripped file with the names')
    .option('--json', 'print each instruction as a line of JSON')
    .addHelpText(
      'after',
      `
Examples:
  domu disasm vmlinux --symbol xen_start_kernel
  domu disasm vmlinuz --symbols System.map --start c1000000 -n 20
  domu disasm boot.bin --flat 7c00 --bits 16`,
    )
    .action(async (file: string, options: ParsedOptions) => {
      const { disasm } = await import('./disasm.ts');
      const { symbol = null, start = null, stop = null, count = null, flat, json = false } = options;
      const base = flat === undefined ? null : flat === true ? 0 : flat;
      const asked = { file, symbol, start, stop, count, flatBase: base, code16: options.bits === '16' };
      context.done(await disasm({ ...asked, symbolsFile: options.symbols ?? null, json }, context.io));
    });
}
