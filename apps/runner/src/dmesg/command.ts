import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';

interface ParsedOptions {
  name?: string;
  follow?: boolean;
  json?: boolean;
}

/** `domu dmesg`. */
export function dmesgCommand(context: CommandContext): Command {
  return newCommand(context, 'dmesg')
    .summary("show Xen's log of a running machine")
    .description(
      "Shows Xen's log of a running machine: what Xen says (XEN), and what guests write to its emergency console (d1, d2, …).\nThe times are those of the machine.",
    )
    .usage('[OPTIONS]')
    .option('--name <NAME>', 'the machine: a guest of it, or its process; needed when there are several')
    .option('-f, --follow', 'go on as lines come, until Ctrl-C or the end of the machine')
    .option('--json', 'print each line as JSON')
    .action(async ({ name, follow = false, json = false }: ParsedOptions) => {
      const { dmesg } = await import('./dmesg.ts');
      context.done(await dmesg({ machine: name ?? null, follow, json }, context.io));
    });
}
