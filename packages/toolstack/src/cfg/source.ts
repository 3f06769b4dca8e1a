/** A place in a configuration text; both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * What is wrong with a configuration, in pieces; `formatConfigError` makes the one line out of them.
 * `key` is the xl.cfg key at fault, `position` where its value (or the syntax error) starts.
 */
export interface ConfigError {
  readonly file: string;
  readonly position: Position | null;
  readonly key: string | null;
  readonly message: string;
}

/** One line: "guest.cfg:3:10: memory: 0 is out of range; expected …". */
export function formatConfigError(error: ConfigError): string {
  const place = error.position ? `${error.file}:${error.position.line}:${error.position.column}` : error.file;
  return [place, ...(error.key === null ? [] : [error.key]), error.message].join(': ');
}
