import { UserError } from '../user-error.ts';
import { parseTypedText } from './typed-text.ts';

/** One --expect or --type, in command-line order. */
export type ScriptStep =
  | { readonly kind: 'expect'; readonly pattern: RegExp }
  | { readonly kind: 'type'; readonly bytes: Uint8Array };

/** Output older than this is forgotten when nothing in it matched, so that a chatty guest costs no more and more. */
const MAX_WINDOW_CHARS = 1 << 20;

/** @param source a JavaScript regular expression; ^ and $ match at line borders. Errors: UserError */
export function expectStep(source: string): ScriptStep {
  try {
    return { kind: 'expect', pattern: new RegExp(source, 'm') };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const reason = error.message.replace(/^Invalid regular expression: /, '');
    throw new UserError(`--expect: ${reason}; expected a JavaScript regular expression`);
  }
}

/** @param text see `parseTypedText`. Errors: UserError */
export function typeStep(text: string): ScriptStep {
  return { kind: 'type', bytes: parseTypedText(text) };
}

/**
 * Plays --expect and --type against a guest's console: waits until the output since the last match shows the pattern, then
 * goes on; types as soon as it comes to a text. Everything happens inside `output`, so under the virtual clock the text
 * enters at the very instant at which its match completed.
 */
export class Script {
  readonly #steps: readonly ScriptStep[];
  readonly #type: (bytes: Uint8Array) => void;
  readonly #decoder = new TextDecoder('utf-8');
  #next = 0;
  #window = '';

  /** @param type sends bytes to the guest's console */
  constructor(steps: readonly ScriptStep[], type: (bytes: Uint8Array) => void) {
    this.#steps = steps;
    this.#type = type;
  }

  /** All steps have been played. */
  get done(): boolean {
    return this.#next === this.#steps.length;
  }

  /** What it is waiting for, as the user wrote it; null when done. */
  get waitingFor(): string | null {
    const step = this.#steps[this.#next];
    return step?.kind === 'expect' ? step.pattern.source : null;
  }

  /** The console exists: steps that need no output are played. */
  start(): void {
    this.#advance();
  }

  /** Takes console output of the guest, in order. */
  output(bytes: Uint8Array): void {
    if (this.done) return;
    this.#window += this.#decoder.decode(bytes, { stream: true });
    this.#advance();
    if (this.#window.length > MAX_WINDOW_CHARS) this.#window = this.#window.slice(-MAX_WINDOW_CHARS / 2);
  }

  #advance(): void {
    for (;;) {
      const step = this.#steps[this.#next];
      if (!step) return;
      if (step.kind === 'expect') {
        const match = step.pattern.exec(this.#window);
        if (!match) return;
        this.#window = this.#window.slice(match.index + match[0].length);
        this.#next++;
      } else {
        // Counted before typing: the guest may answer at once, and its output comes back in here.
        this.#next++;
        this.#type(step.bytes);
      }
    }
  }
}
