import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import { secondsOption } from '../options/seconds.ts';

interface ParsedOptions {
  name?: string;
  seconds?: number;
}

/** `domu trace`. */
export function traceCommand(context: CommandContext): Command {
  return newCommand(context, 'trace')
    .summary('write what a running machine does to a file')
    .description(
      "Writes what a running machine does (scheduling, exits, hypercalls, events, disks, networks) to a file in Chrome's trace\nformat, until Ctrl-C or the end of the machine. Open it in ui.perfetto.dev or the Performance panel of Chrome's DevTools.\nA whole run: domu run --trace FILE.",
    )
    .usage('FILE [OPTIONS]')
    .argument('<FILE>', 'the file to write')
    .option('--name <NAME>', 'the machine: a guest of it, or its process; needed when there are several')
    .option('--seconds <N>', 'end after so much real time', (text) => secondsOption('--seconds', text))
    .action(async (file: string, { name, seconds }: ParsedOptions) => {
      const { trace } = await import('./trace.ts');
      context.done(await trace({ machine: name ?? null, file, seconds: seconds ?? null }, context.io));
    });
}
