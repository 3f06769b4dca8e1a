import type { Command } from 'commander';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import { bashCompletion } from './bash.ts';
import type { Shell } from './command.ts';
import { fishCompletion } from './fish.ts';
import { wordsOf } from './words.ts';
import { zshCompletion } from './zsh.ts';

const MAKERS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** `domu completion`. @returns the exit code */
export function completion(shell: Shell, program: Command, io: HostIo): number {
  io.stdout.write(MAKERS[shell](wordsOf(program)));
  return EXIT_OK;
}
