import {
  ALL_SIGNALS,
  DEFAULT_ACTION,
  IGNORED_BY_DEFAULT,
  NO_SIGNALS,
  NSIG,
  SIG_DFL,
  SIG_IGN,
  SIGRTMIN,
  type SignalAction,
  type SignalInfo,
  type SignalSet,
  SYNCHRONOUS,
  signalBit,
} from '../abi/signals.ts';

/** Real-time signals that may wait at one queue; more are refused, as by RLIMIT_SIGPENDING. */
const MAX_QUEUED = 1024;

/** Signals that wait for delivery: to one thread, or to any of a process. */
export class PendingSignals {
  set: SignalSet = NO_SIGNALS;
  #queue: SignalInfo[] = [];

  /** A standard signal waits once, a real-time signal as often as it was sent. @returns false: too many wait */
  add(info: SignalInfo): boolean {
    const bit = signalBit(info.signal);
    if (info.signal < SIGRTMIN && (this.set & bit) !== NO_SIGNALS) return true;
    if (this.#queue.length >= MAX_QUEUED) return false;
    this.set |= bit;
    this.#queue.push(info);
    return true;
  }

  /** Takes the next that is in `wanted`: those that the process caused first, then by number. */
  take(wanted: SignalSet): SignalInfo | null {
    const ready = this.set & wanted;
    if (ready === NO_SIGNALS) return null;
    const from = (ready & SYNCHRONOUS) !== NO_SIGNALS ? ready & SYNCHRONOUS : ready;
    let signal = 1;
    while ((from & signalBit(signal)) === NO_SIGNALS) signal++;
    const at = this.#queue.findIndex((info) => info.signal === signal);
    const [info] = this.#queue.splice(at, 1);
    if (!this.#queue.some((other) => other.signal === signal)) this.set &= ~signalBit(signal);
    return info;
  }

  /** Forgets every signal of a set. */
  drop(signals: SignalSet): void {
    if ((this.set & signals) === NO_SIGNALS) return;
    this.set &= ~signals;
    this.#queue = this.#queue.filter((info) => (signals & signalBit(info.signal)) === NO_SIGNALS);
  }
}

/** What a process does at each signal. Shared by threads, copied by fork. */
export class SignalActions {
  readonly #actions: SignalAction[];

  constructor(from?: SignalActions) {
    this.#actions =
      from === undefined ? new Array<SignalAction>(NSIG + 1).fill(DEFAULT_ACTION) : [...from.#actions];
  }

  get(signal: number): SignalAction {
    return this.#actions[signal];
  }

  set(signal: number, action: SignalAction): void {
    this.#actions[signal] = action;
  }

  /** Exec: handlers are gone with the program that had them; what is ignored stays so. */
  forExec(): void {
    for (let signal = 1; signal <= NSIG; signal++) {
      const { handler } = this.#actions[signal];
      this.#actions[signal] = handler === SIG_IGN ? { ...DEFAULT_ACTION, handler } : DEFAULT_ACTION;
    }
  }

  /** Has no effect if it is delivered. */
  ignores(signal: number): boolean {
    const { handler } = this.#actions[signal];
    if (handler === SIG_IGN) return true;
    return handler === SIG_DFL && (IGNORED_BY_DEFAULT & signalBit(signal)) !== NO_SIGNALS;
  }

  /** All signals that have a handler or are ignored, for /proc. */
  sets(): { ignored: SignalSet; caught: SignalSet } {
    let ignored = NO_SIGNALS;
    let caught = NO_SIGNALS;
    for (let signal = 1; signal <= NSIG; signal++) {
      const { handler } = this.#actions[signal];
      if (handler === SIG_IGN) ignored |= signalBit(signal);
      else if (handler !== SIG_DFL) caught |= signalBit(signal);
    }
    return { ignored: ignored & ALL_SIGNALS, caught };
  }
}
