import type { Command } from 'commander';
import type { HostIo } from './io.ts';
import { usageError } from './usage-error.ts';

/** What a command is made from: the program that it belongs to, the process around it, and where its exit code goes. */
export interface CommandContext {
  readonly program: Command;
  readonly io: HostIo;
  readonly done: (exitCode: number) => void;
}

/** Makes one command. It imports what it runs when it is run: the others need not wait for it. */
export type CommandMaker = (context: CommandContext) => Command;

/** A command with the program's settings, whose usage errors name its own help. */
export function newCommand({ program }: CommandContext, name: string): Command {
  return program
    .createCommand(name)
    .copyInheritedSettings(program)
    .configureOutput({ outputError: (text, write) => write(usageError(text, `domu ${name} --help`)) })
    .helpOption('-h, --help', 'print this help');
}
