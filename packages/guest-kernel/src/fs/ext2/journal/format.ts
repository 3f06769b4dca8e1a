/** The journal's layout: JBD2. All numbers are big-endian. Source: Linux include/linux/jbd2.h, fs/jbd2/{commit,recovery,revoke}.c. */
import type { Crc } from '../checksum.ts';

const MAGIC = 0xc03b_3998;

export const DESCRIPTOR_BLOCK = 1;
export const COMMIT_BLOCK = 2;
const SUPERBLOCK_V2 = 4;
export const REVOKE_BLOCK = 5;

const INCOMPAT_REVOKE = 0x1;
const INCOMPAT_64BIT = 0x2;
const INCOMPAT_ASYNC_COMMIT = 0x4;
const INCOMPAT_CSUM_V2 = 0x8;
const INCOMPAT_CSUM_V3 = 0x10;
const INCOMPAT_KNOWN: number =
  INCOMPAT_REVOKE | INCOMPAT_64BIT | INCOMPAT_ASYNC_COMMIT | INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3;
const CRC32C_TYPE = 4;

/** The copy of a block has zeros where it had the journal's magic. */
export const FLAG_ESCAPE = 1;
/** No UUID follows the tag. */
export const FLAG_SAME_UUID = 2;
export const FLAG_LAST_TAG = 8;

export const HEADER_BYTES = 12;
const UUID_BYTES = 16;
const REVOKE_HEADER_BYTES = 16;
/** Bytes of the superblock that are checked. */
const SUPERBLOCK_BYTES = 1024;
const SUPERBLOCK_CHECKSUM_AT = 252;
const COMMIT_CHECKSUM_AT = 16;
const COMMIT_SECONDS_AT = 48;

/** The magic as it begins a block. */
export function hasMagic(view: DataView): boolean {
  return view.getUint32(0) === MAGIC;
}

/** A copy of a block in the journal. */
export interface Tag {
  /** Where it belongs. */
  readonly block: number;
  readonly flags: number;
  /** As far as the format keeps it: 32 bits, 16, or 0. */
  readonly checksum: number;
}

/** The journal's superblock, and with it the format of the blocks. */
export class JournalSuperblock {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #crc32c: Crc;

  /** @param bytes its block */
  constructor(bytes: Uint8Array, crc32c: Crc) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#crc32c = crc32c;
  }

  /** What forbids its use, or undefined. @param blocks of the journal's file */
  problem(blockBytes: number, blocks: number): string | undefined {
    const view = this.#view;
    if (!hasMagic(view) || view.getUint32(4) !== SUPERBLOCK_V2) return 'no journal superblock';
    const unknown = (this.#incompat & ~INCOMPAT_KNOWN) | view.getUint32(44);
    if (unknown !== 0) return `journal has unknown features (${unknown.toString(16)})`;
    if (view.getUint32(12) !== blockBytes) return 'journal has another block size';
    if (this.length < 16 || this.length > blocks) return 'journal too short';
    if (this.first < 1 || this.first + 8 > this.length) return 'bad journal geometry';
    if (this.start !== 0 && (this.start < this.first || this.start >= this.length))
      return 'bad journal start';
    if (this.hasChecksums) {
      if (this.bytes[80] !== CRC32C_TYPE) return 'journal has an unknown checksum type';
      if (view.getUint32(SUPERBLOCK_CHECKSUM_AT) !== this.#checksum()) return 'journal checksum error';
    }
    return undefined;
  }

  /** Blocks of the journal, this one included. */
  get length(): number {
    return this.#view.getUint32(16);
  }

  /** First block of the log. */
  get first(): number {
    return this.#view.getUint32(20);
  }

  /** Number of the first transaction that is expected in the log. */
  get sequence(): number {
    return this.#view.getUint32(24);
  }

  /** Where it begins; 0: the log is empty. */
  get start(): number {
    return this.#view.getUint32(28);
  }

  get uuid(): Uint8Array {
    return this.bytes.subarray(48, 48 + UUID_BYTES);
  }

  get #incompat(): number {
    return this.#view.getUint32(40);
  }

  get hasChecksums(): boolean {
    return (this.#incompat & (INCOMPAT_CSUM_V2 | INCOMPAT_CSUM_V3)) !== 0;
  }

  get #isV3(): boolean {
    return (this.#incompat & INCOMPAT_CSUM_V3) !== 0;
  }

  get #is64Bit(): boolean {
    return (this.#incompat & INCOMPAT_64BIT) !== 0;
  }

  /** What sums of this journal start with. */
  get seed(): number {
    return this.#crc32c(0xffff_ffff, this.uuid);
  }

  /** Sets the features that Linux would set when it begins to write. */
  prepare(wants: { readonly checksums: boolean; readonly wide: boolean }): void {
    let incompat = INCOMPAT_REVOKE | (wants.wide ? INCOMPAT_64BIT : 0);
    if (wants.checksums) incompat |= INCOMPAT_CSUM_V3;
    this.#view.setUint32(36, 0);
    this.#view.setUint32(40, incompat);
    this.bytes[80] = wants.checksums ? CRC32C_TYPE : 0;
  }

  /** Where the log begins from now on. @param start 0: it is empty */
  setTail(start: number, sequence: number): void {
    this.#view.setUint32(24, sequence);
    this.#view.setUint32(28, start);
    this.#view.setUint32(SUPERBLOCK_CHECKSUM_AT, 0);
    if (this.hasChecksums) this.#view.setUint32(SUPERBLOCK_CHECKSUM_AT, this.#checksum());
  }

  #checksum(): number {
    const bytes = this.bytes.slice(0, SUPERBLOCK_BYTES);
    bytes.fill(0, SUPERBLOCK_CHECKSUM_AT, SUPERBLOCK_CHECKSUM_AT + 4);
    return this.#crc32c(0xffff_ffff, bytes);
  }

  get tagBytes(): number {
    if (this.#isV3) return 16;
    return ((this.#incompat & INCOMPAT_CSUM_V2) !== 0 ? 14 : 12) - (this.#is64Bit ? 0 : 4);
  }

  /** Bytes that a descriptor or revoke block has for its contents. */
  get usableBytes(): number {
    return this.bytes.length - (this.hasChecksums ? 4 : 0);
  }

  get recordBytes(): number {
    return this.#is64Bit ? 8 : 4;
  }

  /** Tags that go into a descriptor block: a UUID follows the first. */
  get tagsPerBlock(): number {
    return Math.floor((this.usableBytes - HEADER_BYTES - UUID_BYTES) / this.tagBytes);
  }

  get revokesPerBlock(): number {
    return Math.floor((this.usableBytes - REVOKE_HEADER_BYTES) / this.recordBytes);
  }

  putHeader(view: DataView, type: number, sequence: number): void {
    view.setUint32(0, MAGIC);
    view.setUint32(4, type);
    view.setUint32(8, sequence);
  }

  /** The tags of a descriptor block, up to the last or the end of the block. */
  *tags(view: DataView): Generator<Tag> {
    for (let at = HEADER_BYTES; at + this.tagBytes <= this.usableBytes; ) {
      const flags = this.#isV3 ? view.getUint32(at + 4) : view.getUint16(at + 6);
      const high = this.#isV3 ? view.getUint32(at + 8) : this.#is64Bit ? view.getUint32(at + 8) : 0;
      const checksum = this.#isV3 ? view.getUint32(at + 12) : this.hasChecksums ? view.getUint16(at + 4) : 0;
      yield { block: view.getUint32(at) + high * 2 ** 32, flags, checksum };
      if ((flags & FLAG_LAST_TAG) !== 0) return;
      at += this.tagBytes + ((flags & FLAG_SAME_UUID) !== 0 ? 0 : UUID_BYTES);
    }
  }

  /** Writes a tag at `at`. @returns where the next one goes */
  putTag(view: DataView, at: number, { block, flags, checksum }: Tag): number {
    view.setUint32(at, block);
    if (this.#isV3) {
      view.setUint32(at + 4, flags);
      view.setUint32(at + 8, 0);
      view.setUint32(at + 12, checksum);
    } else {
      view.setUint16(at + 4, checksum & 0xffff);
      view.setUint16(at + 6, flags);
      if (this.#is64Bit) view.setUint32(at + 8, 0);
    }
    return at + this.tagBytes + ((flags & FLAG_SAME_UUID) !== 0 ? 0 : UUID_BYTES);
  }

  /** Block numbers of a revoke block. */
  *revokes(view: DataView): Generator<number> {
    const end = Math.min(view.getUint32(HEADER_BYTES), this.usableBytes);
    for (let at = REVOKE_HEADER_BYTES; at + this.recordBytes <= end; at += this.recordBytes) {
      const high = this.#is64Bit ? view.getUint32(at) * 2 ** 32 : 0;
      yield high + view.getUint32(at + this.recordBytes - 4);
    }
  }

  putRevokes(view: DataView, blocks: readonly number[]): void {
    view.setUint32(HEADER_BYTES, REVOKE_HEADER_BYTES + blocks.length * this.recordBytes);
    for (const [place, block] of blocks.entries())
      view.setUint32(REVOKE_HEADER_BYTES + (place + 1) * this.recordBytes - 4, block);
  }

  /** The sum that a copy's tag holds, as far as this format keeps it. */
  tagChecksum(seed: number, sequence: number, bytes: Uint8Array): number {
    if (!this.hasChecksums) return 0;
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, sequence);
    const sum = this.#crc32c(this.#crc32c(seed, number), bytes);
    return this.#isV3 ? sum : sum & 0xffff;
  }

  /** Puts the sum into the end of a descriptor or revoke block. */
  sealTail(seed: number, bytes: Uint8Array, view: DataView): void {
    if (this.hasChecksums) view.setUint32(bytes.length - 4, this.#tailSum(seed, bytes));
  }

  tailMatches(seed: number, bytes: Uint8Array, view: DataView): boolean {
    return !this.hasChecksums || view.getUint32(bytes.length - 4) === this.#tailSum(seed, bytes);
  }

  #tailSum(seed: number, bytes: Uint8Array): number {
    const sum = this.#crc32c(seed, bytes.subarray(0, bytes.length - 4));
    return this.#crc32c(sum, new Uint8Array(4));
  }

  /** Completes a commit block. @param seconds since 1970 */
  sealCommit(seed: number, bytes: Uint8Array, view: DataView, seconds: number): void {
    view.setUint32(COMMIT_SECONDS_AT + 4, seconds);
    if (this.hasChecksums) view.setUint32(COMMIT_CHECKSUM_AT, this.#crc32c(seed, bytes));
  }

  commitMatches(seed: number, bytes: Uint8Array, view: DataView): boolean {
    if (!this.hasChecksums) return true;
    const copy = bytes.slice();
    copy.fill(0, COMMIT_CHECKSUM_AT, COMMIT_CHECKSUM_AT + 4);
    return this.#crc32c(seed, copy) === view.getUint32(COMMIT_CHECKSUM_AT);
  }
}
