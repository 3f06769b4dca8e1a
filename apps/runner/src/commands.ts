import type { CommandMaker } from './command-kit.ts';
import { infoCommand } from './info/command.ts';
import { runCommand } from './run/command.ts';

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandMaker[] = [runCommand, infoCommand];
