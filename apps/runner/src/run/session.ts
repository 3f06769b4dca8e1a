import type { ConsoleSink } from '@domu/backends';
import {
  afterShutdown,
  requestShutdown,
  type ShutdownReason,
  servesShutdown,
  setConsoleSize,
  shutdownReason,
} from '@domu/toolstack';
import type { Domain } from '@domu/xen-hypervisor';
import type { ConsolePort } from './console-port.ts';
import type { GuestPlan } from './guest-plan.ts';
import type { LoopHost } from './loop.ts';
import type { RunOptions } from './options.ts';
import type { Outcome } from './outcome.ts';
import { Script } from './script.ts';
import type { RunningGuest, XenHost } from './xen-host.ts';

/** How far the machine has come: retired instructions, nanoseconds of its clock. */
export interface Progress {
  readonly retired: number;
  readonly guestNs: number;
}

export interface SessionParts {
  readonly host: XenHost;
  readonly plan: GuestPlan;
  readonly console: ConsolePort;
  /** Where the console of each guest goes. */
  readonly sinks: readonly ConsoleSink[];
  /** Told before a guest that has stopped is started anew. */
  readonly onRestart: (why: Outcome) => void;
  /** Writes a core dump of a domain that has stopped. */
  readonly onDump: (domain: Domain) => void;
}

/** One guest from its first instruction to its end, over restarts: script, typed input, life cycle. */
export class Session implements LoopHost {
  outcome: Outcome | null = null;
  readonly #host: XenHost;
  readonly #plan: GuestPlan;
  readonly #console: ConsolePort;
  readonly #sinks: readonly ConsoleSink[];
  readonly #onRestart: (why: Outcome) => void;
  readonly #onDump: (domain: Domain) => void;
  readonly #script: Script | null;
  #guest: RunningGuest;
  /** They are not started again, and the session lasts until all of them have stopped as well. */
  readonly #others: readonly RunningGuest[];
  /** Where the machine was when the script's last step was played; it may run on to the end of its slice. */
  #scriptEnd: Progress | null = null;
  /** Typed input that the console backends had no room for, for each guest. */
  readonly #typed: Uint8Array[][];
  #feeding = false;
  /** Of the terminal, if there is one. */
  #size: { readonly columns: number; readonly rows: number } | null = null;

  constructor(parts: SessionParts, options: Pick<RunOptions, 'script'>) {
    const { console } = parts;
    this.#host = parts.host;
    this.#plan = parts.plan;
    this.#console = console;
    this.#sinks = parts.sinks;
    this.#typed = parts.sinks.map(() => []);
    this.#onRestart = parts.onRestart;
    this.#onDump = parts.onDump;
    this.#script =
      options.script.length > 0 ? new Script(options.script, (bytes) => this.input(bytes)) : null;
    this.#guest = this.#start();
    this.#others = this.#startOthers();
    this.#script?.start();
    console.onDrain(() => {
      for (const guest of [this.#guest, ...this.#others]) guest.console.resume();
    });
  }

  /** What --expect waits for; null when there is no script or it is done. */
  get waitingFor(): string | null {
    return this.#script?.waitingFor ?? null;
  }

  /** Where the run ended, or is now. */
  get progress(): Progress {
    const { cpu, clock } = this.#host.machine;
    return this.#scriptEnd ?? { retired: cpu.retired, guestNs: clock.nowNs() };
  }

  /** Types into the console of a guest, by its place in the command line. */
  input(bytes: Uint8Array, guest: number = 0): void {
    this.#typed[guest].push(bytes);
    this.#feed();
  }

  /** Tells all guests the size of the terminal. */
  resize(size: { readonly columns: number; readonly rows: number }): void {
    this.#size = size;
    for (const { domain } of [this.#guest, ...this.#others])
      setConsoleSize(this.#host.store, domain.id, size);
  }

  behind(): Promise<void> | null {
    return this.#console.behind();
  }

  /** Ends the session from outside, unless it has ended by itself. */
  end(outcome: Outcome): void {
    this.outcome ??= outcome;
  }

  /** Asks all guests to power off. @returns false, with none asked, when one has not said that it can be asked */
  askToPowerOff(): boolean {
    const { store } = this.#host;
    const running = [this.#guest, ...this.#others].filter((guest) => guest.shutdownCode === null);
    const domids = running.map(({ domain }) => domain.id);
    if (!domids.every((domid) => servesShutdown(store, domid, 'poweroff'))) return false;
    for (const domid of domids) requestShutdown(store, domid, 'poweroff');
    return true;
  }

  afterSlice(): 'go-on' | 'restarted' | 'end' {
    this.#feed();
    let restarted = false;
    if (this.#script?.done) this.end({ kind: 'script-done' });
    else if (this.#guest.shutdownCode !== null) restarted = this.#stopped(this.#guest.shutdownCode);
    if (this.outcome !== null) return 'end';
    return restarted ? 'restarted' : 'go-on';
  }

  canBeWoken(): boolean {
    const guests = [this.#guest, ...this.#others];
    const outside = this.#host.networks.reachOutside || guests.some(({ channels }) => channels.canBeWoken);
    return this.#console.open || outside;
  }

  close(): void {
    for (const guest of [this.#guest, ...this.#others]) guest.destroy();
  }

  /** The plan of the guest that the outcome is about. */
  get endedPlan(): GuestPlan {
    return this.#crashedOther()?.plan ?? this.#plan;
  }

  #startOthers(): RunningGuest[] {
    try {
      return this.#host.startOthers(this.#sinks.slice(1));
    } catch (error) {
      this.#guest.destroy();
      throw error;
    }
  }

  #crashedOther(): RunningGuest | undefined {
    return this.#guest.domain.crash ? undefined : this.#others.find(({ domain }) => domain.crash !== null);
  }

  #start(): RunningGuest {
    const [sink] = this.#sinks;
    return this.#host.start({
      write: (bytes) => {
        const taken = sink.write(bytes);
        this.#script?.output(bytes);
        if (this.#script?.done) this.#scriptEnd ??= this.progress;
        return taken;
      },
    });
  }

  /**
   * Hands typed bytes on, in order. The script calls this from inside the console's own work, and before there is a
   * console: then the bytes wait for the caller further up, or for the next slice.
   */
  #feed(): void {
    if (this.#feeding || this.#guest === undefined) return;
    this.#feeding = true;
    for (const [i, { console }] of [this.#guest, ...(this.#others ?? [])].entries()) {
      const typed = this.#typed[i];
      for (let next = typed.shift(); next !== undefined; next = typed.shift()) {
        const taken = console.input(next);
        if (taken < next.length) {
          typed.unshift(next.subarray(taken));
          break;
        }
      }
    }
    this.#feeding = false;
  }

  /** @returns whether a new guest runs now */
  #stopped(code: number): boolean {
    const reason = shutdownReason(code);
    const { config } = this.#plan;
    const { dump, next } = afterShutdown(reason, config);
    if (dump) this.#onDump(this.#guest.domain);
    if (next === 'restart') {
      this.#onRestart(this.#outcomeOf(reason));
      this.#guest.destroy();
      this.#guest = this.#start();
      if (this.#size !== null) this.resize(this.#size);
      return true;
    }
    // Output that the guest left in its ring may be what the script waits for.
    this.#guest.console.run();
    if (this.#script?.done) this.end({ kind: 'script-done' });
    else if (this.#others.every(({ shutdownCode }) => shutdownCode !== null))
      this.end(this.#outcomeOf(reason));
    return false;
  }

  #outcomeOf(reason: ShutdownReason): Outcome {
    const waitingFor = this.waitingFor;
    const crashed = this.#crashedOther();
    if (crashed) return { kind: 'crash', report: crashed.domain.crash };
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
