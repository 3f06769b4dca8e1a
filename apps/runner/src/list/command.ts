import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';

/** `domu list`. */
export function listCommand(context: CommandContext): Command {
  return newCommand(context, 'list')
    .summary('list the machines that run, and their guests')
    .description('Lists the machines that this user runs, with their guests.')
    .usage('[OPTIONS]')
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { list } = await import('./list.ts');
      context.done(await list({ json }, context.io));
    });
}
