import { HYPERCALL_CONTINUE } from './caller.ts';

/** Units of work that one hypercall may do before it makes way. A unit is about a microsecond. */
const BUDGET = 512;
/** What a unit costs of a slice that is counted in instructions. */
const INSTRUCTIONS_PER_UNIT = 32;

/**
 * Bounds what one hypercall does in one go. A call whose length the guest chooses charges each piece of its work; once the
 * budget is used up and something has been done, it leaves through `continueAs`: the guest's registers then hold a call that
 * does the rest, the instruction is executed again, and in between timers run, events are delivered and other vCPUs get their
 * turn. Real Xen asks for pending softirqs instead of counting; counting keeps runs repeatable.
 * Source: xen/arch/x86/hypercall.c, "hypercall_create_continuation" @ RELEASE-4.18.0
 */
export class HypercallWork {
  /** The call that does the rest: meaningful after a handler has returned HYPERCALL_CONTINUE. Further arguments stay as they are. */
  nr: number = 0;
  args: readonly number[] = [];
  #left = BUDGET;
  #spent = 0;

  /** A guest enters a hypercall. */
  begin(): void {
    this.#left = BUDGET;
  }

  /** Notes `units` of work that are done, or are about to be. */
  charge(units: number): void {
    this.#left -= units;
    this.#spent += units;
  }

  /** The call must end, or be continued as soon as it has done anything at all. */
  get exhausted(): boolean {
    return this.#left <= 0;
  }

  /** To be returned by a handler: the rest of its work is hypercall `nr` with these first arguments. */
  continueAs(nr: number, ...args: readonly number[]): number {
    this.nr = nr;
    this.args = args;
    return HYPERCALL_CONTINUE;
  }

  /** @returns what was charged since the last call, in instructions */
  takeCost(): number {
    const cost = this.#spent * INSTRUCTIONS_PER_UNIT;
    this.#spent = 0;
    return cost;
  }
}
