import { assemble } from '@domu/testkit';
import type { Machine } from '../../src/machine.ts';
import { CODE, DATA, TestGuest } from '../../src/testing.ts';

/** Pages that the neighbour grants to others read-only and read-write. */
const FIRST_GRANTED_PAGE = 40;
const NR_READONLY = 4;
const NR_WRITABLE = 2;
const FIRST_REF = 8;
const NR_GUESTS = 2;
/** Where its counter is. */
const COUNTER_PAGE = DATA >>> 12;
const PATTERN = 0x5a;

/** Counts, and gives way. */
const SOURCE = `
count:
  inc dword ptr [COUNTER]
  mov eax, 29
  xor ebx, ebx
  int 0x82
  jmp count
`;

/** A domain that has nothing to do with the others, but lends them a few pages. It must notice nothing of what they do. */
export class Neighbour {
  readonly guest: TestGuest;
  readonly #watched: readonly number[];
  readonly #content: Uint8Array;
  #lastCount = 0;

  constructor(machine: Machine) {
    this.guest = new TestGuest({ machine });
    const { p2m, tables } = this.guest;
    const u8 = machine.memory.u8;
    for (const [page, mfn] of p2m.entries()) u8.fill(PATTERN + page, mfn * 4096, (mfn + 1) * 4096);
    const { bytes } = assemble(SOURCE, { origin: CODE, symbols: { COUNTER: DATA } });
    this.guest.load(bytes);
    this.guest.write32(DATA, 0);
    this.guest.start();
    const writable = (page: number): boolean =>
      page >= FIRST_GRANTED_PAGE + NR_READONLY && page < FIRST_GRANTED_PAGE + NR_READONLY + NR_WRITABLE;
    this.#watched = [...p2m.filter((_, page) => page !== COUNTER_PAGE && !writable(page)), ...tables];
    machine.run(2_000);
    this.#content = this.#read();
  }

  /** Lends its pages to a domain, in place of the one that was guest number `index` before. */
  lendTo(index: number, domid: number): void {
    const { grants } = this.guest.domain;
    for (let i = 0; i < NR_READONLY + NR_WRITABLE; i++) {
      const ref = FIRST_REF + i * NR_GUESTS + index;
      const gfn = this.guest.p2m[FIRST_GRANTED_PAGE + i];
      if (!grants.isPinned(ref)) grants.preset(ref, { domid, gfn, readonly: i < NR_READONLY });
    }
    this.guest.domain.evtchn.allocUnbound(domid);
  }

  /** @returns what has happened to it that should not have */
  problems(): string[] {
    const { machine, domain } = this.guest;
    if (!domain.schedulable) return [`the neighbour stopped: ${domain.crash?.reason ?? domain.state.state}`];
    const stolen = this.#watched.filter((mfn) => machine.frames.owner(mfn) !== domain.id);
    if (stolen.length > 0) return [`frames ${stolen.join()} of the neighbour have another owner`];
    const now = this.#read();
    const changed = this.#watched.filter(
      (_, i) => Buffer.compare(page(now, i), page(this.#content, i)) !== 0,
    );
    if (changed.length > 0) return [`frames ${changed.join()} of the neighbour have changed`];
    const count = this.guest.read32(DATA);
    const stalled = count === this.#lastCount;
    this.#lastCount = count;
    return stalled ? ['the neighbour does not run'] : [];
  }

  #read(): Uint8Array {
    const all = new Uint8Array(this.#watched.length * 4096);
    const { memory } = this.guest.machine;
    for (const [i, mfn] of this.#watched.entries()) all.set(memory.frame(mfn), i * 4096);
    return all;
  }
}

const page = (bytes: Uint8Array, i: number): Uint8Array => bytes.subarray(i * 4096, (i + 1) * 4096);
