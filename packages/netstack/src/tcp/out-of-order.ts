import { type Seq, seqAdd, seqDiff } from './seq.ts';

/** Pieces kept at most: what comes in one byte at a time in every other place must not cost more than it is worth. */
const MAX_PIECES = 256;

interface Piece {
  seq: Seq;
  bytes: Uint8Array;
}

/** What has come of the stream beyond the first gap; in order and without overlap. Bounded by the window and MAX_PIECES. */
export class OutOfOrder {
  readonly #pieces: Piece[] = [];
  /** Sequence number of the piece that came last, for the first SACK block. */
  #latest: Seq = 0;
  bytes: number = 0;

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Copies in what is new of a segment. */
  add(seq: Seq, payload: Uint8Array): void {
    this.#latest = seq;
    const pieces = this.#pieces;
    let from = seq;
    let rest = payload;
    let at = 0;
    while (at < pieces.length && seqDiff(end(pieces[at]!), from) <= 0) at++;
    while (rest.length > 0) {
      const piece = pieces[at];
      const gap = piece === undefined ? rest.length : seqDiff(piece.seq, from);
      if (gap > 0) {
        if (pieces.length === MAX_PIECES) return;
        const bytes = rest.slice(0, gap);
        pieces.splice(at, 0, { seq: from, bytes });
        this.bytes += bytes.length;
      }
      const covered = Math.max(gap, 0) + (piece?.bytes.length ?? 0) + Math.min(gap, 0);
      if (covered >= rest.length || piece === undefined) return;
      from = seqAdd(from, covered);
      rest = rest.subarray(covered);
      at += gap > 0 ? 2 : 1;
    }
  }

  /** Takes out the bytes that continue the stream at `seq`, one piece at a time; undefined if there are none. */
  takeAt(seq: Seq): Uint8Array | undefined {
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined || seqDiff(piece.seq, seq) > 0) return undefined;
      this.#pieces.shift();
      this.bytes -= piece.bytes.length;
      const old = seqDiff(seq, piece.seq);
      if (old < piece.bytes.length) return piece.bytes.subarray(old);
    }
  }

  /** Up to three SACK blocks, the one that changed last first (RFC 2018 section 4). */
  blocks(): [Seq, Seq][] {
    const blocks: [Seq, Seq][] = [];
    for (const piece of this.#pieces) {
      const last = blocks.at(-1);
      if (last !== undefined && last[1] === piece.seq) last[1] = end(piece);
      else blocks.push([piece.seq, end(piece)]);
    }
    const holds = ([from, to]: [Seq, Seq]): boolean =>
      seqDiff(from, this.#latest) <= 0 && seqDiff(this.#latest, to) < 0;
    const first = blocks.findIndex(holds);
    if (first > 0) blocks.unshift(...blocks.splice(first, 1));
    return blocks.slice(0, 3);
  }

  clear(): void {
    this.#pieces.length = 0;
    this.bytes = 0;
  }
}

const end = ({ seq, bytes }: Piece): Seq => seqAdd(seq, bytes.length);
