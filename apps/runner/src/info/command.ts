import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import { memoryOption } from '../run/options.ts';

interface ParsedOptions {
  json?: boolean;
  check?: boolean;
  memory?: number;
  ramdisk?: string;
}

/** `domu info`. */
export function infoCommand(context: CommandContext): Command {
  return newCommand(context, 'info')
    .summary('tell what a file is and whether it boots here')
    .description(
      'Tells what a file is: its kind, its ELF headers, what it says to Xen, how a domain with it would be laid out, and\nwhether it boots here; if not, why not and what to do.\nIMAGE is a kernel, an xl.cfg file (of which the kernel is looked at), or guest-kernel for the built-in one.',
    )
    .usage('IMAGE [OPTIONS]')
    .argument('<IMAGE>', 'kernel or xl.cfg file')
    .option('--json', 'print JSON')
    .option('--check', 'print nothing when it boots here; one line, and exit code 2, when it does not')
    .option('--memory <MiB>', 'memory of the domain to be laid out (default 128)', memoryOption)
    .option('--ramdisk <FILE>', 'with this initial RAM disk')
    .addHelpText(
      'after',
      `
Exit codes:
    0  the file was looked at, whether it boots or not (without --check)
    2  bad usage, a file that cannot be read, or with --check one that does not boot here

Examples:
  domu info vmlinuz
  domu info vmlinuz --json | jq .xen.features
  domu info kernel --check && domu run kernel`,
    )
    .action(async (image: string, options: ParsedOptions) => {
      const { info } = await import('./info.ts');
      const { json = false, check = false, memory = null, ramdisk = null } = options;
      context.done(info({ image, json, check, memoryMiB: memory, ramdisk }, context.io));
    });
}
