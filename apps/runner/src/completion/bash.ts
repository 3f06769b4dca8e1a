import type { CommandWords, OptionWords } from './words.ts';

/** A completion for bash: for each command its words, and after some options others. */
export function bashCompletion(commands: readonly CommandWords[]): string {
  const cases = commands.map((command) => {
    const words = [
      ...command.commands.map(({ name }) => name),
      ...(command.choices ?? []),
      ...optionNames(command),
    ];
    const files = command.takesArguments && command.choices === null ? ' files=1' : '';
    return `    '${command.path}') words='${words.join(' ')}'${files} ;;`;
  });
  const nested = commands.filter(({ path, commands: below }) => path !== '' && below.length > 0);
  const paths = nested.map(({ path }) => path).join('|') || '-';
  const values = commands.flatMap(({ path, options }) =>
    options.flatMap((option) => valueCase(path, option)),
  );
  return `# bash completion of domu, made by \`domu completion bash\`
_domu() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' files='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in -*) ;; *)
      if [[ -z $path ]]; then path=\${COMP_WORDS[i]}
      else case $path in ${paths}) path="$path \${COMP_WORDS[i]}" ;; esac; break; fi ;;
    esac
  done
  case "$path:$prev" in
${values.join('\n')}
  esac
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ -n $files && $cur != -* ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _domu domu
`;
}

function optionNames({ options }: CommandWords): string[] {
  return options.map(({ long }) => long);
}

function valueCase(path: string, { long, short, value }: OptionWords): string[] {
  if (value === 'none') return [];
  const names = [long, ...(short === null ? [] : [short])].map((name) => `'${path}:${name}'`).join('|');
  if (value === 'any') return [`    ${names}) return ;;`];
  const words = value === 'file' ? '-f' : `-W '${value.join(' ')}'`;
  return [`    ${names}) COMPREPLY=($(compgen ${words} -- "$cur")); return ;;`];
}
