import { GNTMAP_device_map, GNTMAP_host_map, GNTMAP_readonly } from '@domu/xen-abi';
import type { GrantTable } from './grant-table.ts';

/** The four ways in which a grant is held. */
export type PinKind = 'hstw' | 'hstr' | 'devw' | 'devr';

/** A counter may be raised while it is below this: Xen checks the top bit of its 8-bit counters beforehand. */
const PIN_OVERFLOW = 128;
const PAGE_BYTES = 4096;

/** What a pinned grant stands for. */
export interface GrantedRange {
  readonly mfn: number;
  /** First byte of the frame that is granted. */
  readonly start: number;
  readonly lengthBytes: number;
  /** Part of a page, or a grant passed on: it can be copied, not mapped. */
  readonly isSubPage: boolean;
  /** The grant of another domain that this one passes on, or null: then the frame is the grantor's. */
  readonly source: { readonly grantor: GrantTable; readonly ref: number } | null;
}

/** All of frame `mfn`. */
export function wholePage(mfn: number): GrantedRange {
  return { mfn, start: 0, lengthBytes: PAGE_BYTES, isSubPage: false, source: null };
}

const NOTHING: GrantedRange = { ...wholePage(-1), lengthBytes: 0 };

/**
 * What Xen remembers of a grant in use. The guest may rewrite its shared entry at any time; while `pinned`, this is what
 * counts. Source: xen/common/grant_table.c, "struct active_grant_entry" @ RELEASE-4.18.0
 */
export class ActiveEntry {
  /** The domain that holds the grant; meaningful while pinned. */
  domid = 0;
  /** Meaningful while pinned. */
  range: GrantedRange = NOTHING;
  private readonly pin: Record<PinKind, number> = { hstw: 0, hstr: 0, devw: 0, devr: 0 };

  /** The machine frame; meaningful while pinned. */
  get mfn(): number {
    return this.range.mfn;
  }

  get pinned(): boolean {
    const { hstw, hstr, devw, devr } = this.pin;
    return hstw + hstr + devw + devr > 0;
  }

  /** Whether somebody may write to the frame through this grant. */
  get pinnedForWriting(): boolean {
    return this.pin.hstw + this.pin.devw > 0;
  }

  /** Pins by kind: live handles, and copies under way. */
  get counts(): Readonly<Record<PinKind, number>> {
    return this.pin;
  }

  wouldOverflow(kinds: readonly PinKind[]): boolean {
    return kinds.some((kind) => this.pin[kind] >= PIN_OVERFLOW);
  }

  take(kinds: readonly PinKind[]): void {
    for (const kind of kinds) this.pin[kind]++;
  }

  drop(kinds: readonly PinKind[]): void {
    for (const kind of kinds) {
      if (this.pin[kind] === 0) throw new Error(`grant pin underflow: ${kind} of frame ${this.mfn}`);
      this.pin[kind]--;
    }
  }
}

/** The pins that a mapping with these GNTMAP_* flags holds. */
export function pinsOf(flags: number): PinKind[] {
  const readonly = (flags & GNTMAP_readonly) !== 0;
  const kinds: PinKind[] = [];
  if (flags & GNTMAP_device_map) kinds.push(readonly ? 'devr' : 'devw');
  if (flags & GNTMAP_host_map) kinds.push(readonly ? 'hstr' : 'hstw');
  return kinds;
}
