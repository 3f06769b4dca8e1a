/** Assembly source that cannot be assembled; the message names the line and shows it. */
export class AssemblyError extends Error {
  override readonly name = 'AssemblyError';
  /** Line number in the source, from 1. */
  readonly line: number;

  constructor(reason: string, line: number, text: string) {
    super(`line ${line}: ${reason}: ${text.trim()}`);
    this.line = line;
  }
}
