const TOKEN_PATTERN =
  /\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|0[xX][0-9a-fA-F]+\b|0[bB][01]+\b|[0-9]+[bf]?\b|[A-Za-z_.$][\w.$]*|<<|>>|[-+*/&|^~()[\]:,=])/y;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };

/** Splits a statement into tokens; undefined where something is not a token. */
export function tokenize(text: string): string[] | undefined {
  const tokens: string[] = [];
  const pattern = new RegExp(TOKEN_PATTERN);
  const trimmed = text.trimEnd();
  for (let at = 0; at < trimmed.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(trimmed);
    if (!match) return undefined;
    tokens.push(match[1]!);
  }
  return tokens;
}

/** The characters that a quoted token stands for. */
export function unquote(token: string): string {
  return token.slice(1, -1).replace(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}

/** Cuts source lines into statements: `;` separates, `#` starts a comment. Quoted text is left alone. */
export function statements(line: string): string[] {
  const parts = line.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|#.*|;|[^"'#;]+|./g) ?? [];
  const found = [''];
  for (const part of parts) {
    if (part.startsWith('#')) break;
    if (part === ';') found.push('');
    else found[found.length - 1] += part;
  }
  return found.map((text) => text.trim()).filter((text) => text !== '');
}
