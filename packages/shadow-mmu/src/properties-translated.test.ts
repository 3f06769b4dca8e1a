import { _PAGE_PRESENT, _PAGE_RW, DOMID_INVALID, INVALID_M2P_ENTRY, type PagingMode } from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GrantMapping } from './grant-map.ts';
import { checkInvariants, type HeldReference } from './invariants.ts';
import { PGT_seg_desc_page, PGT_writable_page } from './page-type.ts';
import { FIRST_GRANT_GFN } from './physmap.ts';
import { buildTranslated, type TranslatedDomain, World } from './testing.ts';
import { isDescriptorFrame } from './walk-translated.ts';

const NR_FRAMES = 48;
const NR_DATA = 10;
const PAGES_TOUCHED = 20;

interface Step {
  readonly kind: number;
  readonly who: number;
  /** Gfns, mostly of the domain. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly flags: number;
}

/** Two translated domains and a third, whose memory neither may ever reach. */
class Attack {
  readonly world: World = new World(NR_FRAMES);
  readonly domains: TranslatedDomain[];
  readonly roots: number[];
  readonly held: { who: number; reference: HeldReference }[] = [];
  readonly mappings: GrantMapping[][] = [[], []];
  readonly secret: number;

  constructor(mode: PagingMode) {
    this.domains = [1, 2].map((domid) => buildTranslated(this.world, { domid, mode, nrData: NR_DATA }));
    this.roots = this.domains.map((d) => d.root);
    for (const { paging, domid } of this.domains) {
      const shared = this.world.frames.allocXen();
      this.world.frames.shareXenFrame(shared, domid);
      paging.addXenFrame(0x20, shared);
    }
    this.secret = this.world.frames.alloc(3);
    this.world.memory.frame(this.secret).fill(0x5a);
  }

  step({ kind, who, a, b, c, flags }: Step): unknown {
    const { frames, memory } = this.world;
    const { paging, domid, l1Gfn } = this.domains[who];
    const other = this.domains[1 - who];
    const entry = (b * 4096 + flags) >>> 0;
    const offset = (c & 31) * (paging.pae ? 8 : 4);
    switch (kind) {
      case 0: {
        // What the guest's own stores may do: any word of any page that is not write-protected.
        const mfn = paging.toMfn(a);
        if (mfn < 0 || isDescriptorFrame(frames, mfn)) return 0;
        memory.u32[mfn * 1024 + (c & 63)] = c & 0x100 ? entry : flags;
        return 0;
      }
      case 1:
        return paging.mmuUpdate(l1Gfn * 4096 + offset, 0, entry, 0);
      case 2:
        return paging.mmuUpdate(a * 4096 + offset + (c & 1), 0, c & 1 ? b : entry, c & 64 ? c : 0);
      case 3:
        return paging.updateVaMapping(this.roots[who], (c & 31) * 4096, entry, 0);
      case 4: {
        const mfn = paging.toMfn(a);
        const errno = paging.newBaseptr(this.roots[who], mfn);
        if (errno === 0) this.roots[who] = mfn;
        return errno;
      }
      case 5:
        return this.#grant(who, { a, c, flags, frame: other.paging.toMfn(b) });
      case 6:
        return c & 3 ? paging.releaseFrame(a) : paging.populateFrame(b);
      case 7: {
        const mfn = paging.toMfn(a);
        const type = c & 1 ? PGT_seg_desc_page : PGT_writable_page;
        const errno = c & 1 ? paging.getSegDescFrame(mfn) : paging.getWritableFrame(mfn);
        if (errno === 0) this.held.push({ who, reference: { mfn, type } });
        return errno;
      }
      case 8: {
        const held = this.held.splice(c % (this.held.length || 1), 1)[0];
        return held === undefined || frames.putPageAndType(held.reference.mfn);
      }
      case 9:
        return paging.updateDescriptor(a * 4096 + offset, 0, b, (c << 8) | flags);
      case 10: {
        const mfn = paging.stealFrame(a);
        if (mfn < 0) return mfn;
        if (c & 1) return frames.freeXen(mfn);
        const taker = this.domains[c & 2 ? who : 1 - who];
        frames.giveTo(mfn, taker.domid);
        return taker.paging.addFrame(b, mfn);
      }
      case 11:
        return c & 1 ? paging.removeGfn(a) : paging.addXenFrame(a, this.#shared(domid));
      case 12:
        return c & 1 ? paging.clearPage(a) : paging.copyPage(a, b);
      default:
        return this.#access(who, (c & 63) * 4096 + (b & 1) * 0xc000_0000, {
          access: a % 3,
          user: (b & 2) !== 0,
        });
    }
  }

  #shared(domid: number): number {
    let found = -1;
    this.world.frames.forEachFrame(domid, (mfn) => {
      if (this.world.frames.isXenHeap(mfn)) found = mfn;
    });
    return found;
  }

  #grant(who: number, op: { a: number; c: number; flags: number; frame: number }): boolean {
    const { a, c, flags, frame } = op;
    const { paging } = this.domains[who];
    const mappings = this.mappings[who];
    if (c & 0x80) {
      const i = c % (mappings.length || 1);
      if (mappings[i] === undefined || !paging.unmapGrant(mappings[i], c & 0x100 ? (a & 31) * 4096 : 0))
        return false;
      mappings.splice(i, 1);
      return true;
    }
    if (frame < 0) return false;
    const containsPte = (c & 0x40) !== 0;
    const where = {
      root: this.roots[who],
      hostAddrLo: containsPte ? (a * 4096 + (c & 31) * 8) >>> 0 : (c & 31) * 4096,
      hostAddrHi: 0,
      containsPte,
      readonly: (flags & 2) === 0,
      frame,
    };
    const owner = this.domains[1 - who].domid;
    if (!paging.mapGrant({ ...where, owner, applicationMap: true, availBits: 0 })) return false;
    mappings.push(where);
    return true;
  }

  #access(who: number, linear: number, how: { access: number; user: boolean }): number {
    const { paging, domid } = this.domains[who];
    const at = paging.translate(this.roots[who], linear, how.access, how.user);
    if (at < 0) return at;
    const mfn = Math.floor(at / 4096);
    const page = { mfn, writable: (at & 1) !== 0, owner: domid };
    this.world.tlb.pages.set(`${domid}:${linear >>> 12}`, page);
    return at;
  }

  /** Both domains use all that they can, as far as the TLB has no translation yet. */
  touchAll(): void {
    for (const [who, { domid }] of this.domains.entries()) {
      for (let page = 0; page < PAGES_TOUCHED; page++) {
        if (!this.world.tlb.pages.has(`${domid}:${page}`))
          this.#access(who, page * 4096, { access: page & 1, user: false });
      }
    }
  }

  problems(): string[] {
    const { frames } = this.world;
    const problems = checkInvariants(frames, {
      domains: this.domains.map((d) => d.paging),
      held: [
        ...this.held.map(({ reference }) => reference),
        ...this.roots.map((mfn) => ({ mfn, type: -1 })),
        ...this.domains.flatMap(({ paging }) => paging.held()),
      ],
      isGranted: () => false,
    });
    return [...problems, ...this.#physmapProblems(), ...this.#reachable()];
  }

  /** The physmap names frames of the domain only, and the M2P agrees. */
  #physmapProblems(): string[] {
    const { frames, m2p } = this.world;
    const problems: string[] = [];
    for (const { paging, domid } of this.domains) {
      for (let gfn = 0; gfn <= paging.highestGfn(); gfn++) {
        const mfn = paging.toMfn(gfn);
        if (mfn >= 0 && (frames.owner(mfn) !== domid || m2p.get(mfn) !== gfn))
          problems.push(`domain ${domid}: gfn ${gfn} is frame ${mfn} of ${frames.owner(mfn)}`);
      }
    }
    for (let mfn = 1; mfn < NR_FRAMES; mfn++) {
      if (frames.owner(mfn) === DOMID_INVALID && m2p.get(mfn) !== INVALID_M2P_ENTRY)
        problems.push(`free frame ${mfn} has gfn ${m2p.get(mfn)}`);
    }
    return problems;
  }

  /** What a CPU can do with translations that it kept. */
  #reachable(): string[] {
    const { frames, tlb, m2p } = this.world;
    return [...tlb.pages].flatMap(([key, { mfn, writable, owner }]) => {
      if (writable && isDescriptorFrame(frames, mfn)) return [`${key} can write descriptors in ${mfn}`];
      if (frames.owner(mfn) === owner) return [];
      const m2pFrame = mfn >= m2p.firstMfn && mfn < m2p.firstMfn + m2p.nrFrames;
      if (m2pFrame && !writable) return [];
      const { paging } = this.domains[owner - 1];
      const granted = paging
        .held()
        .some((grant) => grant.mfn === mfn && (!writable || grant.type === PGT_writable_page));
      return granted ? [] : [`${key} reaches frame ${mfn} of ${frames.owner(mfn)}`];
    });
  }

  destroy(): void {
    const { frames } = this.world;
    for (const { reference } of this.held) frames.putPageAndType(reference.mfn);
    for (const [i, { paging }] of this.domains.entries()) paging.putRoot(this.roots[i]);
    for (const { paging } of this.domains) paging.destroy();
  }
}

const NR_GFNS = NR_DATA + 4;
const gfn = fc.oneof(
  { weight: 12, arbitrary: fc.nat(NR_GFNS) },
  { weight: 2, arbitrary: fc.constantFrom(0x20, 0x21, FIRST_GRANT_GFN, FIRST_GRANT_GFN + 1) },
  { weight: 1, arbitrary: fc.nat(0xf_ffff) },
);
const flags = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(_PAGE_PRESENT, _PAGE_PRESENT | _PAGE_RW, 0x67, 0x21, 7, 0) },
  { weight: 1, arbitrary: fc.nat(0xfff) },
);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 2, arbitrary: fc.nat(13) },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, 3, 5, 7, 13) },
  ),
  who: fc.nat(1),
  a: gfn,
  b: gfn,
  c: fc.nat(0x1ff),
  flags,
});

describe.each<PagingMode>(['pae', 'classic'])('translated domains with hostile %s page tables', (mode) => {
  it('reach no frame that is neither theirs nor granted, keep no stale translation, leak nothing', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), (steps) => {
        const attack = new Attack(mode);
        expect(attack.problems()).toEqual([]);
        for (const s of steps) {
          attack.touchAll();
          attack.step(s);
          const problems = attack.problems();
          if (problems.length > 0) expect(problems, JSON.stringify(s)).toEqual([]);
        }
        attack.destroy();
        const { frames, m2p, memory } = attack.world;
        expect(memory.frame(attack.secret).every((byte) => byte === 0x5a)).toBe(true);
        expect(frames.freeFrames).toBe(NR_FRAMES - 1 - m2p.nrFrames - 1);
      }),
      { numRuns: 60, seed: 20060718 },
    );
  }, 120_000);
});
