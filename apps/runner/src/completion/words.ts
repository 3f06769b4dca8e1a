import type { Argument, Command, Option } from 'commander';

/** A command as a completion needs it. */
export interface CommandWords {
  /** "run", "xenstore ls"; '' for the program itself. */
  readonly path: string;
  readonly summary: string;
  /** Names of the commands below it. */
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionWords[];
  /** What the first argument may be; null: a file. */
  readonly choices: readonly string[] | null;
  readonly takesArguments: boolean;
}

export interface OptionWords {
  readonly long: string;
  readonly short: string | null;
  readonly summary: string;
  /** What follows it: nothing, one of a few words, or a file. */
  readonly value: 'none' | 'any' | 'file' | readonly string[];
}

/** All commands of a program, itself first, the way commander has them: there is no other list to keep in step. */
export function wordsOf(program: Command): CommandWords[] {
  return [...walk(program, '')];
}

function* walk(command: Command, path: string): Generator<CommandWords> {
  const argument = command.registeredArguments[0] as Argument | undefined;
  yield {
    path,
    summary: command.summary(),
    commands: command.commands.map((each) => ({ name: each.name(), summary: each.summary() })),
    options: command.createHelp().visibleOptions(command).map(optionWords),
    choices: argument?.argChoices ?? null,
    takesArguments: argument !== undefined,
  };
  for (const each of command.commands)
    yield* walk(each, path === '' ? each.name() : `${path} ${each.name()}`);
}

function optionWords(option: Option): OptionWords {
  const { long, short, description, argChoices, required, optional, flags } = option;
  const takesFile = /<(?:FILE|DIR|PATH|WHERE|SPEC)>/.test(flags);
  const value = argChoices ?? (takesFile ? 'file' : required ? 'any' : 'none');
  return { long: long ?? '', short: short ?? null, summary: description, value: optional ? 'none' : value };
}
