import type { CommandWords, OptionWords } from './words.ts';

/** A completion for fish: a line for each word. */
export function fishCompletion(commands: readonly CommandWords[]): string {
  return `# fish completion of domu, made by \`domu completion fish\`
complete -c domu -f
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLines({ path, commands, options, choices, takesArguments }: CommandWords): string[] {
  const condition = conditionOf(
    path,
    commands.map(({ name }) => name),
  );
  const complete = (words: string): string => `complete -c domu -n ${quoted(condition)} ${words}`;
  return [
    ...commands.map(({ name, summary }) => complete(`-a ${name} -d ${quoted(summary)}`)),
    ...(choices ?? []).map((choice) => complete(`-a ${choice}`)),
    ...(takesArguments && choices === null ? [complete('-F')] : []),
    ...options.map((option) => complete(optionWords(option))),
  ];
}

/** Whether the command line is at this command, and not at one below it. */
function conditionOf(path: string, below: readonly string[]): string {
  const seen = path.split(' ').filter(Boolean);
  const notBelow = below.length > 0 ? [`not __fish_seen_subcommand_from ${below.join(' ')}`] : [];
  const all = [...seen.map((name) => `__fish_seen_subcommand_from ${name}`), ...notBelow];
  return all.length === 0 ? 'true' : all.join('; and ');
}

function optionWords({ long, short, summary, value }: OptionWords): string {
  const names = [`-l ${long.slice(2)}`, ...(short === null ? [] : [`-s ${short.slice(1)}`])];
  const values =
    value === 'none'
      ? []
      : value === 'any'
        ? ['-x']
        : value === 'file'
          ? ['-r', '-F']
          : ['-x', `-a ${quoted(value.join(' '))}`];
  return [...names, ...values, `-d ${quoted(summary)}`].join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
