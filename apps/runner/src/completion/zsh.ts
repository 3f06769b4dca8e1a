import type { CommandWords, OptionWords } from './words.ts';

/** A completion for zsh: a function for each command. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef domu
# zsh completion of domu, made by \`domu completion zsh\`
${commands.map(commandFunction).join('\n')}
# Both ways of loading it: from fpath, where this file is the function, and by source.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _domu "$@"; else compdef _domu domu; fi
`;
}

const functionName = (path: string): string => `_domu${path === '' ? '' : `_${path.replaceAll(' ', '_')}`}`;

function commandFunction({ path, commands, options, choices, takesArguments }: CommandWords): string {
  const specs = options.flatMap(optionSpecs);
  if (commands.length === 0) {
    const rest = choices === null ? "'*:file:_files'" : `'1:what:(${choices.join(' ')})'`;
    const all = [...specs, ...(takesArguments ? [rest] : [])];
    return `${functionName(path)}() {\n  _arguments -s \\\n    ${all.join(' \\\n    ')}\n}`;
  }
  const names = commands.map(({ name, summary }) => `'${quoted(name)}:${quoted(summary)}'`).join('\n      ');
  const cases = commands.map(
    ({ name }) => `        ${name}) ${functionName(path === '' ? name : `${path} ${name}`)} ;;`,
  );
  return `${functionName(path)}() {
  local line state
  _arguments -C \\
    ${specs.join(' \\\n    ')} \\
    '1: :->command' '*:: :->rest'
  case $state in
    command)
      local -a commands=(
      ${names}
      )
      _describe command commands ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac ;;
  esac
}`;
}

function optionSpecs({ long, short, summary, value }: OptionWords): string[] {
  const action =
    value === 'none'
      ? ''
      : value === 'any'
        ? ':value: '
        : value === 'file'
          ? ':file:_files'
          : `:value:(${value.join(' ')})`;
  return [long, ...(short === null ? [] : [short])].map(
    (name) => `'*${name}[${bracketed(summary)}]${action}'`,
  );
}

/** Within single quotes. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(':', '\\:');
}

/** Within brackets, which are within single quotes. */
function bracketed(text: string): string {
  return quoted(text).replace(/[[\]]/g, '\\$&');
}
