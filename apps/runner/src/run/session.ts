import { afterShutdown, type ShutdownReason, shutdownReason } from '@domu/toolstack';
import type { ConsolePort } from './console-port.ts';
import type { GuestPlan } from './guest-plan.ts';
import type { LoopHost } from './loop.ts';
import type { RunOptions } from './options.ts';
import type { Outcome } from './outcome.ts';
import { Script } from './script.ts';
import type { RunningGuest, XenHost } from './xen-host.ts';

export interface SessionParts {
  readonly host: XenHost;
  readonly plan: GuestPlan;
  readonly console: ConsolePort;
  /** Told before a guest that has stopped is started anew. */
  readonly onRestart: (why: Outcome) => void;
}

/** One guest from its first instruction to its end, over restarts: script, typed input, life cycle. */
export class Session implements LoopHost {
  outcome: Outcome | null = null;
  readonly #host: XenHost;
  readonly #plan: GuestPlan;
  readonly #console: ConsolePort;
  readonly #onRestart: (why: Outcome) => void;
  readonly #script: Script | null;
  #guest: RunningGuest;
  /** Typed input that the console backend had no room for. */
  #typed: Uint8Array[] = [];

  constructor(parts: SessionParts, options: Pick<RunOptions, 'script'>) {
    const { console } = parts;
    this.#host = parts.host;
    this.#plan = parts.plan;
    this.#console = console;
    this.#onRestart = parts.onRestart;
    this.#script =
      options.script.length > 0 ? new Script(options.script, (bytes) => this.input(bytes)) : null;
    this.#guest = this.#start();
    this.#script?.start();
    console.onDrain(() => this.#guest.console.resume());
  }

  /** What --expect waits for; null when there is no script or it is done. */
  get waitingFor(): string | null {
    return this.#script?.waitingFor ?? null;
  }

  /** Types into the guest's console. */
  input(bytes: Uint8Array): void {
    this.#typed.push(bytes);
    this.#feed();
  }

  /** Ends the session from outside, unless it has ended by itself. */
  end(outcome: Outcome): void {
    this.outcome ??= outcome;
  }

  afterSlice(): boolean {
    this.#feed();
    if (this.#script?.done) this.end({ kind: 'script-done' });
    else if (this.#guest.shutdownCode !== null) this.#stopped(this.#guest.shutdownCode);
    return this.outcome !== null;
  }

  canBeWoken(): boolean {
    return this.#console.open;
  }

  close(): void {
    this.#guest.destroy();
  }

  #start(): RunningGuest {
    const { sink } = this.#console;
    return this.#host.start({
      write: (bytes) => {
        const taken = sink.write(bytes);
        this.#script?.output(bytes);
        return taken;
      },
    });
  }

  /** Called by the script while the first guest starts, too: then there is no console yet, and the bytes wait. */
  #feed(): void {
    while (this.#typed.length > 0 && this.#guest !== undefined) {
      const [first] = this.#typed;
      const taken = this.#guest.console.input(first);
      if (taken < first.length) {
        this.#typed[0] = first.subarray(taken);
        return;
      }
      this.#typed.shift();
    }
  }

  #stopped(code: number): void {
    const reason = shutdownReason(code);
    const { config } = this.#plan;
    if (afterShutdown(reason, config) === 'restart') {
      this.#onRestart(this.#outcomeOf(reason));
      this.#guest.destroy();
      this.#guest = this.#start();
      return;
    }
    // Output that the guest left in its ring may be what the script waits for.
    this.#guest.console.run();
    if (this.#script?.done) this.end({ kind: 'script-done' });
    else this.end(this.#outcomeOf(reason));
  }

  #outcomeOf(reason: ShutdownReason): Outcome {
    const waitingFor = this.waitingFor;
    switch (reason) {
      case 'crash':
        return { kind: 'crash', report: this.#guest.domain.crash };
      case 'watchdog':
      case 'soft-reset':
        return { kind: reason };
      default:
        return waitingFor === null
          ? { kind: reason }
          : { kind: 'script-unfinished', waitingFor, ended: reason };
    }
  }
}
