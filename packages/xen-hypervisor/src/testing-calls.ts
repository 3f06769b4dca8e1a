import { VirtualClock } from './clock.ts';
import { callHypercall } from './hypercalls/dispatch.ts';
import { Machine } from './machine.ts';
import { DATA, TestGuest } from './testing.ts';

/** A started guest whose hypercalls are made from the test, with the arguments in its own memory. */
export class CallingGuest extends TestGuest {
  constructor(options: ConstructorParameters<typeof TestGuest>[0] = {}) {
    super(options);
    this.start();
  }

  /** Makes hypercall `nr`. @returns its result */
  call(nr: number, ...args: readonly number[]): number {
    const [a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0] = args;
    return callHypercall(this.vcpu.caller, nr, a0, a1, a2, a3, a4);
  }

  /** Writes words at `va`, and calls `nr(cmd, va)`. */
  callWith(nr: number, cmd: number, words: readonly number[], va: number = DATA): number {
    this.writeWords(words, va);
    return this.call(nr, cmd, va);
  }

  writeWords(words: readonly number[], va: number = DATA): void {
    for (const [i, word] of words.entries()) this.write32(va + 4 * i, word);
  }

  readWords(count: number, va: number = DATA): number[] {
    return Array.from({ length: count }, (_, i) => this.read32(va + 4 * i));
  }
}

/** One machine for the tests of a file: making one costs far more than making a guest. */
export class CallBench {
  readonly machine: Machine = new Machine({ memoryMiB: 8, clock: new VirtualClock() });
  private readonly freeFrames: number = this.machine.frames.freeFrames;

  guest(options: ConstructorParameters<typeof TestGuest>[0] = {}): CallingGuest {
    return new CallingGuest({ machine: this.machine, ...options });
  }

  /** Destroys the guests of a test. Throws when a frame of theirs stays behind. */
  clear(): void {
    for (const domain of [...this.machine.domains.values()]) this.machine.destroyDomain(domain);
    const lost = this.freeFrames - this.machine.frames.freeFrames;
    if (lost !== 0) throw new Error(`${lost} frames are still in use after the guests have gone`);
  }
}
