import {
  GNTMAP_device_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_general_error,
  GNTST_okay,
} from '@domu/xen-abi';
import { holdGrant } from './copy-op.ts';
import type { GrantTable } from './grant-table.ts';
import { mapGrantRef, unmapGrantRef } from './map-ops.ts';
import { giveFrame } from './transfer-op.ts';

/** A granted frame in the hands of a backend. */
export interface HostGrant {
  readonly mfn: number;
  /** The frame itself, 4096 bytes of machine memory; not to be used after `release`. */
  readonly bytes: Uint8Array;
  /** Ends the mapping. Releasing twice does nothing. */
  release(): void;
}

/** Which bytes of a grant to copy: the range must lie within its page. */
export interface GrantRange {
  readonly domid: number;
  readonly ref: number;
  /** Bytes from the start of the page. */
  readonly offset: number;
}

/**
 * Grants as the host's backends use them: no page tables, bytes instead. Rights and pins are those of any domain, so the
 * grantor sees GTF_reading and GTF_writing while a frame is held. Failures are GNTST_* codes; a frontend's bad reference
 * never throws.
 */
export class HostGrants {
  private readonly table: GrantTable;

  /** @param table the host domain's own table */
  constructor(table: GrantTable) {
    this.table = table;
  }

  /** Holds the frame until `release`. @returns the frame, or a GNTST_* code as `mapGrantRef` gives it */
  map(domid: number, ref: number, options: { readonly readonly: boolean }): HostGrant | number {
    const flags = GNTMAP_device_map | (options.readonly ? GNTMAP_readonly : 0);
    const mapped = mapGrantRef(this.table, { hostAddr: 0, flags, ref, dom: domid }, null);
    if (typeof mapped === 'number') return mapped;
    const { handle, mfn } = mapped;
    let held = true;
    return {
      mfn,
      bytes: this.table.frames.u8.subarray(mfn * 4096, (mfn + 1) * 4096),
      release: () => {
        if (!held) return;
        held = false;
        unmapGrantRef(this.table, { hostAddr: 0, devBusAddr: mfn * 4096, handle, newAddr: 0 }, null);
      },
    };
  }

  /** Copies `into.length` bytes out of a grant. @returns GNTST_okay or another GNTST_* code */
  copyFrom(range: GrantRange, into: Uint8Array): number {
    return this.withFrame(range, into.length, 'hstr', (bytes) => into.set(bytes));
  }

  /** Copies `from` into a grant. @returns GNTST_okay or another GNTST_* code */
  copyTo(range: GrantRange, from: Uint8Array): number {
    return this.withFrame(range, from.length, 'hstw', (bytes) => bytes.set(from));
  }

  /**
   * Gives a page that starts with `from` to a domain whose entry `ref` accepts a transfer from the host.
   * @returns GNTST_okay, or another GNTST_* code: GNTST_general_error also when there is no frame to give
   */
  transfer(domid: number, ref: number, from: Uint8Array): number {
    const { frames } = this.table;
    const mfn = frames.allocStolen();
    if (mfn < 0) return GNTST_general_error;
    frames.u8.set(from.subarray(0, 4096), mfn * 4096);
    return giveFrame(this.table, mfn, { domid, ref });
  }

  private withFrame(
    range: GrantRange,
    lengthBytes: number,
    kind: 'hstr' | 'hstw',
    use: (bytes: Uint8Array) => void,
  ): number {
    if (range.offset + lengthBytes > 4096) return GNTST_bad_copy_arg;
    const grantor = this.table.peers(range.domid);
    if (grantor === undefined) return GNTST_bad_domain;
    const held = holdGrant(grantor, { ref: range.ref, holder: this.table.domid }, kind);
    if (typeof held === 'number') return held;
    const granted = range.offset >= held.start && range.offset + lengthBytes <= held.start + held.lengthBytes;
    const start = held.mfn * 4096 + range.offset;
    if (granted) use(this.table.frames.u8.subarray(start, start + lengthBytes));
    held.release();
    return granted ? GNTST_okay : GNTST_general_error;
  }
}
