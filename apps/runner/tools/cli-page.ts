import type { Command } from 'commander';
import { newProgram } from '../src/cli.ts';
import { processIo } from '../src/io.ts';

/** Wide enough that no line of the help is broken: the page breaks them itself. */
const WIDE = 400;

/** The text of docs/CLI.md: what `--help` says, as a page. */
export function cliPage(): string {
  const program = newProgram(processIo(), () => {});
  const commands = program.commands.map((command) => `| ${link(command)} | ${cell(command.summary())} |`);
  return [
    '# The `domu` command',
    '',
    'Made from the commands by `npx tsx --conditions=@domu/source apps/runner/tools/write-cli-page.ts`; a test compares. In a',
    'checkout the command is `npx domu` or `pnpm domu`.',
    '',
    '| command | what it does |',
    '| --- | --- |',
    ...commands,
    '',
    'Colours and progress are for terminals: in a pipe there are none, and `NO_COLOR` turns colours off. Errors are one line on',
    "stderr that says what to do. Exit codes: 0 done, 1 an error of domu's own, 2 bad usage or input, 141 the reader of the output",
    'has gone away; those of `domu run` stand there.',
    '',
    ...program.commands.flatMap((command) => section(command, `domu ${command.name()}`)),
  ].join('\n');
}

const link = (command: Command): string => `[\`domu ${command.name()}\`](#domu-${command.name()})`;
const cell = (text: string): string => text.replaceAll('|', '\\|');

function section(command: Command, name: string): string[] {
  const options = command.createHelp().visibleOptions(command);
  const depth = name.split(' ').length;
  return [
    `${'#'.repeat(depth)} ${name}`,
    '',
    ...command.description().split('\n'),
    '',
    '```',
    `${name} ${command.usage()}`,
    '```',
    '',
    '| option | meaning |',
    '| --- | --- |',
    ...options.map(
      (option) => `| \`${cell(option.flags)}\` | ${cell(command.createHelp().optionDescription(option))} |`,
    ),
    '',
    ...afterHelp(command),
    ...command.commands.flatMap((each) => section(each, `${name} ${each.name()}`)),
  ];
}

/** Examples, exit codes and the like, as the help ends with them. */
function afterHelp(command: Command): string[] {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDE,
  });
  command.outputHelp();
  const help = command.helpInformation();
  const rest = text.slice(text.indexOf(help) + help.length).trim();
  return rest === '' ? [] : ['```', rest, '```', ''];
}
