import type { Assembled } from '@domu/testkit';
import { __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, GTF_accept_transfer } from '@domu/xen-abi';
import { VirtualClock } from '../../src/clock.ts';
import type { Domain } from '../../src/domain.ts';
import { Machine } from '../../src/machine.ts';
import type { Vcpu } from '../../src/vcpu.ts';
import { machineProblems } from '../machine-invariants.ts';
import {
  BLOCK_WORDS,
  PAGE_GRANT_STATUS,
  PAGE_GRANT_TABLE,
  PAGE_M2P,
  PAGE_NOWHERE,
  PAGE_OWNED,
  PAGE_SHARED_INFO,
  PAGE_XEN,
  type Step,
  type Value,
} from './call.ts';
import { blockVa, FIRST_PLAY_PAGE, FuzzGuest, type GrantPlace, type GuestMode } from './guest.ts';
import { Neighbour } from './neighbour.ts';

/** What one run of a machine did. */
export interface Outcome {
  /** What is wrong with us, or null. */
  readonly failure: string | null;
  /** Calls that the guests made and that came back. */
  readonly calls: number;
  /** Hypercalls that were dispatched, those in lists included. */
  readonly dispatched: number;
  /** How often a guest destroyed itself. */
  readonly deaths: number;
}

/** How the machine of a run is set up. */
export interface Setup {
  readonly modes: readonly GuestMode[];
  readonly engine: 'interpreter' | 'jit';
  /** From `assembleLoops`. */
  readonly loops: readonly Assembled[];
  /** Breaks the machine, to see whether that is noticed. */
  readonly sabotage?: (machine: Machine) => void;
}

const MEMORY_MIB = 4;
const SLICE = 3_000;
const ROUNDS = 16;
/** From this round of a batch on, vCPUs that sleep are woken. */
const WAKING_ROUND = 4;
/** At least what the scheduler grants to a vCPU at a time. */
const TIME_SLICE_NS = 11_000_000;
const FIRST_REF = 8;
const NR_LENT = 12;
/** First of the entries through which a guest takes pages from others. */
const FIRST_ACCEPTING_REF = 24;
const NR_ACCEPTING = 4;
const KNOWN_MAPPINGS = 16;
const MAP_WORDS = 8;

/** One machine with hostile guests and a neighbour. */
class FuzzRun {
  readonly machine: Machine;
  readonly neighbour: Neighbour;
  readonly guests: FuzzGuest[];
  readonly #setup: Setup;
  readonly #freeAtStart: number;
  #owned: number[][] = [];
  /** Grant mappings of each guest, newest first. */
  readonly #mappings: GrantPlace[][];
  calls = 0;
  deaths = 0;

  constructor(setup: Setup) {
    const { modes, engine, loops } = setup;
    this.machine = new Machine({ memoryMiB: MEMORY_MIB, clock: new VirtualClock(), engine });
    setup.sabotage?.(this.machine);
    this.#freeAtStart = this.machine.frames.freeFrames;
    this.#setup = setup;
    this.#mappings = modes.map(() => []);
    this.neighbour = new Neighbour(this.machine);
    this.guests = modes.map((mode) => new FuzzGuest(this.machine, mode, loops));
    for (const i of modes.keys()) this.#introduce(i);
  }

  /** Gives the vCPUs their calls and lets them run. @returns what is wrong afterwards */
  batch(steps: readonly Step[]): string[] {
    this.#owned = this.guests.map(({ domain }) => this.#framesOf(domain));
    const active: { guest: FuzzGuest; vcpu: Vcpu }[] = [];
    for (const [g, guest] of this.guests.entries()) {
      for (const vcpu of guest.ready) {
        const own = steps.filter((step) => step.guest === g && step.vcpu === vcpu.id);
        const calls = own.map((step, slot) => this.#encode(step, blockVa(vcpu.id, slot)));
        if (guest.fill(vcpu, calls)) active.push({ guest, vcpu });
      }
    }
    for (let round = 0; round < ROUNDS; round++) {
      if (round >= WAKING_ROUND) for (const { vcpu } of active) this.machine.scheduler.wake(vcpu);
      this.machine.run(SLICE);
      if (active.every(({ guest, vcpu }) => guest.progress(vcpu).finished)) break;
    }
    for (const { guest, vcpu } of active) this.#noteMappings(guest, vcpu, steps);
    const done = active.map(({ guest, vcpu }) => ({ guest, ...guest.progress(vcpu) }));
    for (const { done: count } of done) this.calls += count;
    const problems = [...machineProblems(this.machine), ...this.#neighbourProblems()];
    for (const [g, guest] of this.guests.entries()) {
      const alive = guest.domain.schedulable && done.some((one) => one.guest === guest && one.finished);
      if (!alive) this.#rebuild(g);
    }
    return problems;
  }

  /** Ends all guests. @returns what is left of them */
  end(): string[] {
    for (const domain of [...this.machine.domains.values()]) this.machine.destroyDomain(domain);
    const lost = this.#freeAtStart - this.machine.frames.freeFrames;
    const problems = machineProblems(this.machine);
    return lost === 0 ? problems : [...problems, `${lost} frames are in use after the guests have gone`];
  }

  #noteMappings(guest: FuzzGuest, vcpu: Vcpu, steps: readonly Step[]): void {
    const g = this.guests.indexOf(guest);
    const own = steps.filter((step) => step.guest === g && step.vcpu === vcpu.id);
    for (const [slot, { nr, args, words }] of own.entries()) {
      if (nr !== __HYPERVISOR_grant_table_op || args[0] !== GNTTABOP_map_grant_ref) continue;
      const found = guest.mappingsOf(vcpu, slot, words.length / MAP_WORDS);
      this.#mappings[g] = [...found, ...this.#mappings[g]].slice(0, KNOWN_MAPPINGS);
    }
  }

  #neighbourProblems(): string[] {
    const problems = this.neighbour.problems();
    if (problems[0] !== 'the neighbour does not run') return problems;
    // Somebody spins: it may, for a slice of time at each turn.
    const { clock } = this.machine;
    for (let i = 0; i < ROUNDS; i++) {
      clock.skipTo(clock.nowNs() + TIME_SLICE_NS);
      this.machine.run(SLICE);
    }
    return this.neighbour.problems();
  }

  #rebuild(index: number): void {
    this.deaths++;
    this.machine.destroyDomain(this.guests[index].domain);
    this.#mappings[index] = [];
    const { modes, loops } = this.#setup;
    this.guests[index] = new FuzzGuest(this.machine, modes[index], loops);
    this.#introduce(index);
  }

  /** Grants and ports between a new guest, its peers, the neighbour and domain 0. */
  #introduce(index: number): void {
    const { machine, guests } = this;
    const { domain } = guests[index];
    this.neighbour.lendTo(index, domain.id);
    for (const [i, peer] of guests.entries()) {
      if (i === index) continue;
      this.#lend(guests[index], peer);
      this.#lend(peer, guests[index]);
      domain.evtchn.allocUnbound(peer.domain.id);
    }
    const port = domain.evtchn.allocUnbound(machine.host.id);
    const hostPort = machine.host.bindInterdomain(domain.id, port, () => {
      if (typeof hostPort !== 'number') hostPort.notify();
    });
  }

  #lend(from: FuzzGuest, to: FuzzGuest): void {
    for (let i = 0; i < NR_LENT; i++) {
      const { grants } = from.domain;
      const gfn = from.frame(FIRST_PLAY_PAGE + i);
      if (grants.version === 1 && !grants.isPinned(FIRST_REF + i))
        grants.preset(FIRST_REF + i, { domid: to.domain.id, gfn, readonly: i % 3 === 0 });
    }
    const { u32 } = this.machine.memory;
    if (from.domain.grants.version !== 1) return;
    for (let ref = FIRST_ACCEPTING_REF; ref < FIRST_ACCEPTING_REF + NR_ACCEPTING; ref++) {
      const entry = from.domain.grants.sharedFrame(0) * 1024 + ref * 2;
      u32[entry] = (GTF_accept_transfer | (to.domain.id << 16)) >>> 0;
      u32[entry + 1] = FIRST_PLAY_PAGE + ref;
    }
  }

  #framesOf(domain: Domain): number[] {
    const owned: number[] = [];
    this.machine.frames.forEachFrame(domain.id, (mfn) => owned.push(mfn));
    return owned;
  }

  #encode(step: Step, block: number): { words: Uint32Array; block: Uint32Array } {
    const words = new Uint32Array(8);
    words[0] = step.nr;
    for (const [i, value] of step.args.entries()) words[i + 1] = this.#resolve(value, step.guest, block);
    const content = new Uint32Array(BLOCK_WORDS);
    for (let i = 0; i < Math.min(step.words.length, BLOCK_WORDS); i++)
      content[i] = this.#resolve(step.words[i], step.guest, block);
    return { words, block: content };
  }

  #resolve(value: Value, caller: number, block: number): number {
    if (typeof value === 'number') return value;
    switch (value.kind) {
      case 'block':
        return block + value.offset;
      case 'mapping':
        return this.#mappings[caller][value.index]?.[value.part] ?? value.index;
      case 'now':
        return this.machine.clock.nowNs() + value.add;
      case 'domid':
        return (this.#domid(value.guest) << value.shift) | value.low;
      case 'frame': {
        const frame = this.#frame(value.guest < 0 ? caller : value.guest, caller, value.page);
        const entryBytes = this.#setup.modes[caller].paging === 'pae' ? 8 : 4;
        return frame * value.mul + value.add + (value.slot ?? 0) * entryBytes;
      }
    }
  }

  #domid(guest: number): number {
    if (guest < this.guests.length) return this.guests[guest].domain.id;
    return guest === 2 ? this.neighbour.guest.domain.id : guest === 3 ? 0 : 0x7000;
  }

  #frame(owner: number, caller: number, page: number): number {
    const guest = this.guests[owner];
    if (guest === undefined) {
      const { p2m, tables } = this.neighbour.guest;
      return [...p2m, ...tables][page % (p2m.length + tables.length)];
    }
    const { domain, p2m } = guest;
    if (page < p2m.length) return owner === caller ? guest.frame(page) : p2m[page];
    switch (page) {
      case PAGE_SHARED_INFO:
        return domain.sharedInfo;
      case PAGE_GRANT_TABLE:
        return domain.grants.sharedFrame(0);
      case PAGE_GRANT_STATUS:
        return Math.max(0, domain.grants.statusFrame(0));
      case PAGE_XEN:
        return this.machine.scratchMfn;
      case PAGE_M2P:
        return this.machine.m2p.firstMfn;
      case PAGE_NOWHERE:
        return this.machine.frames.nrFrames;
    }
    const owned = this.#owned[owner];
    const mfn = owned[(page - PAGE_OWNED + 1000) % (owned.length || 1)] ?? 0;
    return guest.mode.translated && owner === caller ? domain.paging.toGfn(mfn) : mfn;
  }
}

const message = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 6).join('\n') : String(error);

/** Makes all calls on a new machine, in batches, and checks everything after each of them. */
export function runSteps(setup: Setup, steps: readonly Step[]): Outcome {
  const run = new FuzzRun(setup);
  let failure: string | null = null;
  let at = 0;
  try {
    while (failure === null && at < steps.length) {
      const { batch } = steps[at];
      let end = at;
      while (end < steps.length && steps[end].batch === batch) end++;
      const problems = run.batch(steps.slice(at, end));
      if (problems.length > 0) failure = `after batch ${batch}: ${problems.slice(0, 4).join('; ')}`;
      at = end;
    }
    if (failure === null) {
      const problems = run.end();
      if (problems.length > 0) failure = `at the end: ${problems.slice(0, 4).join('; ')}`;
    }
  } catch (error) {
    failure = `threw: ${message(error)}`;
  }
  const { counters } = run.machine;
  const dispatched = counters.hypercalls.reduce((sum, n) => sum + n, 0) + counters.unknownHypercalls;
  return { failure, calls: run.calls, dispatched, deaths: run.deaths };
}
