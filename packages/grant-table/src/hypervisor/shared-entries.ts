import {
  GNTST_general_error,
  GNTST_okay,
  GrantEntryV1,
  GrantEntryV2,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_transitive,
  GTF_type_mask,
  GTF_writing,
} from '@domu/xen-abi';
import type { GrantFrames } from './frames.ts';

/** Format of a grant table's entries, as GNTTABOP_set_version chooses it. */
export type GrantVersion = 1 | 2;

const WORDS_PER_FRAME = 1024;
const ENTRY_WORDS: Readonly<Record<GrantVersion, number>> = {
  1: GrantEntryV1.size / 4,
  2: GrantEntryV2.size / 4,
};
/** A status is 16 bits. */
const STATUSES_PER_FRAME = 2048;

const FRAME_V1 = 1; // words into an entry
const FRAME_LO_V2 = 2;
const FRAME_HI_V2 = 3;
const SUB_PAGE_V2 = 1; // offset, and length above it
const TRANS_DOMID_V2 = 1;
const TRANS_REF_V2 = 2;

/** Who wants to use an entry, and how. */
export interface EntryUse {
  readonly holder: number;
  readonly readonly: boolean;
  /** A mapping covers the whole page: it refuses what grants less. */
  readonly forMap: boolean;
}

/**
 * The entries that a domain shares with Xen, in either format. In version 1 Xen's status bits are among the flags, in
 * version 2 they have frames of their own and an entry can grant a part of a page, or pass another domain's grant on.
 * All of it is [GST] at any time; nothing is assumed to stay as it was read.
 * Source: xen/include/public/grant_table.h; xen/common/grant_table.c @ RELEASE-4.18.0
 */
export class SharedEntries {
  version: GrantVersion = 1;
  readonly frames: number[] = [];
  /** Version 2 only. */
  readonly statusFrames: number[] = [];
  private readonly memory: GrantFrames;

  constructor(memory: GrantFrames) {
    this.memory = memory;
  }

  get nrEntries(): number {
    return this.frames.length * this.entriesPerFrame(this.version);
  }

  /** Frames of status words that `nrFrames` frames of version 2 entries need. */
  statusFramesFor(nrFrames: number): number {
    return Math.ceil((nrFrames * this.entriesPerFrame(2)) / STATUSES_PER_FRAME);
  }

  /** Flags, and the domid above them. */
  header(ref: number): number {
    return this.memory.u32[this.wordOf(ref)];
  }

  setHeader(ref: number, header: number): void {
    this.memory.u32[this.wordOf(ref)] = header;
  }

  isTransitive(ref: number): boolean {
    return this.version === 2 && (this.header(ref) & GTF_type_mask) === GTF_transitive;
  }

  /** The granted range as the entry has it; the version 1 flag for it means nothing. */
  subPage(ref: number): { start: number; lengthBytes: number } | null {
    if (this.version === 1 || (this.header(ref) & GTF_sub_page) === 0) return null;
    const word = this.memory.u32[this.wordOf(ref) + SUB_PAGE_V2];
    return { start: word & 0xffff, lengthBytes: word >>> 16 };
  }

  /** The grant that a transitive entry passes on. */
  transitive(ref: number): { domid: number; ref: number } {
    const word = this.wordOf(ref);
    const { u32 } = this.memory;
    return { domid: u32[word + TRANS_DOMID_V2] & 0xffff, ref: u32[word + TRANS_REF_V2] };
  }

  /** The frame number in the entry, as the domain wrote it. */
  gfn(ref: number): number {
    const word = this.wordOf(ref);
    const { u32 } = this.memory;
    return this.version === 1
      ? u32[word + FRAME_V1]
      : u32[word + FRAME_LO_V2] + u32[word + FRAME_HI_V2] * 2 ** 32;
  }

  setGfn(ref: number, gfn: number): void {
    const word = this.wordOf(ref);
    const { u32 } = this.memory;
    if (this.version === 1) {
      u32[word + FRAME_V1] = gfn;
      return;
    }
    u32[word + FRAME_LO_V2] = gfn;
    u32[word + FRAME_HI_V2] = Math.floor(gfn / 2 ** 32);
  }

  /** Words 0 to 3 of an entry (0 and 1 in version 1). */
  read(ref: number): number[] {
    const word = this.wordOf(ref);
    return [...this.memory.u32.subarray(word, word + ENTRY_WORDS[this.version])];
  }

  write(ref: number, words: readonly number[]): void {
    this.memory.u32.set(words, this.wordOf(ref));
  }

  /** GTF_reading and GTF_writing, wherever they are. */
  status(ref: number): number {
    const bits = this.version === 1 ? this.header(ref) : this.memory.u16[this.statusHalfOf(ref)];
    return bits & (GTF_reading | GTF_writing);
  }

  setStatus(ref: number, status: number): void {
    if (this.version === 2) this.memory.u16[this.statusHalfOf(ref)] = status;
    else this.setHeader(ref, (this.header(ref) & ~(GTF_reading | GTF_writing)) | status);
  }

  clearStatus(ref: number, bits: number): void {
    if (this.version === 2) this.memory.u16[this.statusHalfOf(ref)] &= ~bits;
    else this.setHeader(ref, this.header(ref) & ~bits);
  }

  /**
   * Checks an entry and marks it as being read, or read and written.
   * @param pinned somebody holds the grant already, which vouches for type and domain
   * @returns GNTST_okay, or GNTST_general_error; the entry is then unchanged
   * Source: "_set_status_v1", "_set_status_v2". Nobody writes while Xen looks, so there is nothing to retry.
   */
  admit(ref: number, use: EntryUse, pinned: boolean): number {
    const header = this.header(ref);
    if (!pinned && !(this.typeAllows(header, use) && header >>> 16 === use.holder))
      return GNTST_general_error;
    if (!use.readonly && (header & GTF_readonly) !== 0) return GNTST_general_error;
    const bits = GTF_reading | (use.readonly ? 0 : GTF_writing);
    this.setStatus(ref, this.status(ref) | bits);
    return GNTST_okay;
  }

  private typeAllows(header: number, { forMap }: EntryUse): boolean {
    if (forMap) return (header & (GTF_type_mask | GTF_sub_page)) === GTF_permit_access;
    const type = header & GTF_type_mask;
    return type === GTF_permit_access || (this.version === 2 && type === GTF_transitive);
  }

  private entriesPerFrame(version: GrantVersion): number {
    return WORDS_PER_FRAME / ENTRY_WORDS[version];
  }

  private wordOf(ref: number): number {
    const perFrame = this.entriesPerFrame(this.version);
    const mfn = this.frames[Math.floor(ref / perFrame)];
    return mfn * WORDS_PER_FRAME + (ref % perFrame) * ENTRY_WORDS[this.version];
  }

  private statusHalfOf(ref: number): number {
    return (
      this.statusFrames[Math.floor(ref / STATUSES_PER_FRAME)] * STATUSES_PER_FRAME +
      (ref % STATUSES_PER_FRAME)
    );
  }
}
