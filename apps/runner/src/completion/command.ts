import { Argument, type Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** `domu completion`. */
export function completionCommand(context: CommandContext): Command {
  return newCommand(context, 'completion')
    .summary("print a shell's completions of domu")
    .description('Prints what makes a shell complete the commands and options of domu.')
    .usage('SHELL')
    .addArgument(new Argument('<SHELL>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(domu completion bash)                                      # in ~/.bashrc
  domu completion zsh > ~/.zfunc/_domu                                # a folder of fpath
  domu completion fish > ~/.config/fish/completions/domu.fish`,
    )
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.ts');
      context.done(completion(shell, context.program, context.io));
    });
}
