import { _PAGE_PRESENT, _PAGE_RW, DOMID_INVALID, type PagingMode } from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GrantMapping } from './grant-map.ts';
import { checkInvariants, type HeldReference } from './invariants.ts';
import {
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_seg_desc_page,
  PGT_writable_page,
} from './page-type.ts';
import { buildDomain, RO, type TestDomain, World } from './testing.ts';

const NR_FRAMES = 56;
const NR_DATA = 10;
const GRANT = 7;

/** One hostile request: numbers whose meaning depends on `kind`. `a` and `b` become frames (see `Attack.step`). */
interface Step {
  readonly kind: number;
  readonly who: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly flags: number;
}

class Attack {
  readonly world: World = new World(NR_FRAMES);
  readonly domains: TestDomain[];
  readonly roots: number[];
  readonly held: HeldReference[] = [];
  /** Domain and frame of every grant mapping ever made. */
  readonly granted: Set<string> = new Set();
  readonly mappings: GrantMapping[][] = [[], []];

  constructor(mode: PagingMode) {
    this.domains = [1, 2].map((domid) => buildDomain(this.world, { domid, mode, nrData: NR_DATA }));
    this.roots = this.domains.map((d) => d.root);
    for (const domain of this.domains) {
      this.world.frames.shareXenFrame(this.world.frames.allocXen(), domain.domid);
      this.#writeSecondRoot(domain);
    }
  }

  /** Leaves the content of another good root in frames that nothing maps. */
  #writeSecondRoot({ paging, domid, l1, l2 }: TestDomain): void {
    const [root, xenL2] = this.world.alloc(domid, 2);
    this.world.poke(paging, root, 0, paging.pae ? l2[0] : l1, RO);
    if (paging.pae) this.world.poke(paging, root, 3, xenL2, RO);
  }

  /** Below 0x1000: one of the domain's frames, by rank; else, less that, a machine frame number as it is. */
  #frame(domid: number, choice: number): number {
    if (choice >= 0x1000) return choice - 0x1000;
    const own: number[] = [];
    this.world.frames.forEachFrame(domid, (mfn) => own.push(mfn));
    return own[choice % own.length] ?? 0;
  }

  step(step: Step): number | boolean {
    const { kind, who, c, flags } = step;
    const { frames } = this.world;
    const d = this.domains[who];
    const { paging } = d;
    const a = this.#frame(d.domid, step.a);
    const b = this.#frame(kind === GRANT && (c & 3) !== 3 ? this.domains[1 - who].domid : d.domid, step.b);
    const entryFlags = flags & 0xfff;
    const ptr = a * 4096 + (b & 3) * (paging.pae ? 8 : 4) + (c & 31) * 64;
    switch (kind) {
      case 0: // any command on any entry, often with flags that pass
        return paging.mmuUpdate(
          ptr + (flags >>> 12),
          flags === 0xfff ? 1 : 0,
          b * 4096 + entryFlags,
          c & 1 ? 0 : c,
        );
      case 1: // one of the first entries of any frame
        return paging.mmuUpdate(a * 4096 + (c & 7) * 8, 0, b * 4096 + entryFlags, 0);
      case 2:
        return paging.updateVaMapping(
          this.roots[who],
          (c & 31) * 4096 + (c & 32) * 0x10_0000,
          b * 4096 + entryFlags,
          0,
        );
      case 3:
        return paging.pin(1 + (c & 3), a);
      case 4:
        return paging.unpin(a);
      case 5: {
        const errno = paging.newBaseptr(this.roots[who], a);
        if (errno === 0) this.roots[who] = a;
        return errno;
      }
      case 6:
        return c & 1 ? paging.clearPage(a) : paging.copyPage(a, b);
      case GRANT:
        return this.#grant({ ...step, a, b });
      case 8:
        return c & 3 ? paging.releaseFrame(a) : paging.populateFrame(b);
      case 9:
        return this.#hold(d, a, c & 1 ? PGT_seg_desc_page : PGT_writable_page);
      case 10: {
        const reference = this.held.splice(c % (this.held.length || 1), 1)[0];
        if (reference !== undefined) frames.putPageAndType(reference.mfn);
        return true;
      }
      case 11:
        return paging.updateDescriptor(ptr, 0, c, (b << 8) | flags);
      case 12: {
        if (frames.steal(a, d.domid) !== 0) return false;
        if (c & 1) frames.freeXen(a);
        else frames.giveTo(a, this.domains[b & 1].domid);
        return true;
      }
      default:
        return this.#access(who, {
          linear: ((c & 63) * 4096 + (b & 1) * 0xc000_0000) >>> 0,
          access: a % 3,
          user: b > 40,
        });
    }
  }

  #grant({ who, a, b, c, flags }: Step): boolean {
    const { paging, domid } = this.domains[who];
    const mappings = this.mappings[who];
    if (c & 0x80) {
      const where = mappings[c % (mappings.length || 1)];
      return where !== undefined && paging.unmapGrant(where, c & 0x100 ? (a & 31) * 4096 : 0);
    }
    const containsPte = (c & 0x40) !== 0;
    const where = {
      root: this.roots[who],
      hostAddrLo: containsPte ? a * 4096 + (c & 7) * 8 : (c & 31) * 4096,
      hostAddrHi: 0,
      containsPte,
      readonly: (flags & 2) === 0,
      frame: b,
    };
    const owner = this.domains[1 - who].domid;
    const mapped = paging.mapGrant({ ...where, owner, applicationMap: (flags & 4) !== 0, availBits: 7 });
    if (mapped) {
      this.granted.add(`${domid}:${b}`);
      mappings.push(where);
    }
    return mapped;
  }

  #hold(d: TestDomain, mfn: number, type: number): number {
    const errno = this.world.frames.getPageAndType(mfn, d.domid, type);
    if (errno === 0) this.held.push({ mfn, type });
    return errno;
  }

  #access(who: number, { linear, access, user }: { linear: number; access: number; user: boolean }): number {
    const { paging, domid } = this.domains[who];
    const at = paging.translate(this.roots[who], linear, access, user);
    if (at < 0) return at;
    const mfn = Math.floor(at / 4096);
    const page = { mfn, writable: (at & 1) !== 0, owner: this.world.frames.owner(mfn) };
    this.world.tlb.pages.set(`${domid}:${linear >>> 12}`, page);
    return at;
  }

  /** Has both domains write every page that they can, as far as the TLB has no translation yet. */
  touchAll(): void {
    for (const [who, { domid }] of this.domains.entries()) {
      for (let page = 0; page < 20; page++) {
        if (!this.world.tlb.pages.has(`${domid}:${page}`)) {
          this.#access(who, { linear: page * 4096, access: 1, user: false });
        }
      }
    }
  }

  problems(): string[] {
    const { frames } = this.world;
    const roots = this.domains.flatMap(({ paging }, i) => ({ mfn: this.roots[i], type: paging.rootType }));
    const problems = checkInvariants(frames, {
      domains: this.domains.map((d) => d.paging),
      held: [...this.held, ...roots],
      isGranted: (domid, mfn) => this.granted.has(`${domid}:${mfn}`),
    });
    return [...problems, ...this.#staleTranslations()];
  }

  /** What a CPU could still do with translations that it kept. */
  #staleTranslations(): string[] {
    const { frames, tlb } = this.world;
    const tables = [PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_seg_desc_page];
    return [...tlb.pages].flatMap(([key, { mfn, writable, owner }]) => {
      const now = frames.owner(mfn);
      if (now !== owner && now !== DOMID_INVALID) return [`${key} still reaches frame ${mfn}, now of ${now}`];
      const table = frames.typeCount(mfn) > 0 && tables.includes(frames.type(mfn));
      return writable && table ? [`${key} can still write table ${mfn}`] : [];
    });
  }

  destroy(): void {
    const { frames } = this.world;
    for (const { mfn } of this.held) frames.putPageAndType(mfn);
    for (const [i, { paging }] of this.domains.entries()) paging.putRoot(this.roots[i]);
    for (const { paging } of this.domains) paging.destroy();
  }
}

/** Mostly frames of the domain, some of others and outside of machine memory. */
const frame = fc.oneof(
  { weight: 12, arbitrary: fc.nat(NR_FRAMES - 1) },
  { weight: 1, arbitrary: fc.nat(0xf_ffff) },
);
const flags = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(_PAGE_PRESENT, _PAGE_PRESENT | _PAGE_RW, 0x67, 0x21, 0x23, 0) },
  { weight: 1, arbitrary: fc.nat(0x7fff) },
);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.nat(13) },
    { weight: 2, arbitrary: fc.constantFrom(1, 2, 3, 4, 5, GRANT, 13) },
    { weight: 1, arbitrary: fc.constantFrom(1, 13) },
  ),
  who: fc.nat(1),
  a: frame,
  b: frame,
  c: fc.nat(0x1ff),
  flags,
});

describe.each<PagingMode>(['pae', 'classic'])('random and hostile updates of %s page tables', (mode) => {
  it('never break the page-type invariants, leave no stale translation and leak no frame', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 150, size: 'max' }), (steps) => {
        const attack = new Attack(mode);
        const freeAtStart = NR_FRAMES - 1 - attack.world.m2p.nrFrames;
        expect(attack.problems()).toEqual([]);
        for (const s of steps) {
          attack.touchAll();
          attack.step(s);
          const problems = attack.problems();
          if (problems.length > 0) expect(problems, JSON.stringify(s)).toEqual([]);
        }
        attack.destroy();
        expect(attack.world.frames.freeFrames).toBe(freeAtStart);
      }),
      { numRuns: 100, seed: 20060718 },
    );
  }, 120_000);
});
