import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import { countOption } from '../options/count.ts';
import { secondsOption } from '../options/seconds.ts';

interface ParsedOptions {
  name?: string;
  interval: number;
  count?: number;
  batch?: boolean;
  json?: boolean;
}

/** `domu top`. */
export function topCommand(context: CommandContext): Command {
  return newCommand(context, 'top')
    .summary('show what the guests of a running machine do')
    .description(
      'Shows what the guests of a running machine do, each domain and vCPU: share of the processor, exits and hypercalls a\nsecond, what disks and networks move. q leaves. In a pipe it prints one table after the other.',
    )
    .usage('[OPTIONS]')
    .option('--name <NAME>', 'the machine: a guest of it, or its process; needed when there are several')
    .option(
      '-d, --interval <SECONDS>',
      'time between two looks',
      (text) => secondsOption('--interval', text),
      1,
    )
    .option('-n, --count <N>', 'end after so many looks', countOption)
    .option('-b, --batch', 'one table after the other, also in a terminal')
    .option('--json', 'print the counters of each look as a line of JSON')
    .addHelpText(
      'after',
      `
Columns: CPU% share of the processor in the machine's own time (of which a virtual clock has as much as instructions were
run); EXIT/s times that the processor left the guest; CALL/s hypercalls; READ/s, WRIT/s bytes of disks; SENT/s, RECV/s bytes of
network interfaces, from and to the guest.`,
    )
    .action(async ({ name = undefined, interval, count, batch = false, json = false }: ParsedOptions) => {
      const { top } = await import('./top.ts');
      const options = { machine: name ?? null, intervalSeconds: interval, count: count ?? null, batch, json };
      context.done(await top(options, context.io));
    });
}
