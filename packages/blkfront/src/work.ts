import {
  type BLKIF_OP_DISCARD,
  type BLKIF_OP_FLUSH_DISKCACHE,
  type BLKIF_OP_READ,
  type BLKIF_OP_WRITE,
  type BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_OKAY,
} from '@domu/xen-abi';

/** Told once what became of a request: BLKIF_RSP_OKAY, BLKIF_RSP_ERROR or BLKIF_RSP_EOPNOTSUPP. */
export type RequestDone = (status: number) => void;

/** A request of the kernel's: finished when all its parts are. */
export class BlockRequest {
  /** First sector, of 512 bytes. */
  readonly sector: number;
  /** Where data goes to or comes from. */
  readonly buffer: Uint8Array;
  /** Sectors to discard. */
  readonly nrSectors: number;
  readonly secure: boolean;
  readonly #done: RequestDone;
  #partsLeft: number;
  #status: number = BLKIF_RSP_OKAY;

  /** @param parts number of work items that the request begins with */
  constructor(
    what: {
      readonly sector?: number;
      readonly buffer?: Uint8Array;
      readonly nrSectors?: number;
      readonly secure?: boolean;
    },
    parts: number,
    done: RequestDone,
  ) {
    this.sector = what.sector ?? 0;
    this.buffer = what.buffer ?? new Uint8Array(0);
    this.nrSectors = what.nrSectors ?? 0;
    this.secure = what.secure ?? false;
    this.#partsLeft = parts;
    this.#done = done;
  }

  /** Part of an item is under way on its own. */
  split(): void {
    this.#partsLeft++;
  }

  /** One part is finished. The first status that is not OKAY is the request's. */
  finishPart(status: number): void {
    if (this.#status === BLKIF_RSP_OKAY) this.#status = status;
    this.#partsLeft--;
    if (this.#partsLeft === 0) this.#done(this.#status);
  }
}

/** Operations as they wait in the queue. */
export type Operation =
  | typeof BLKIF_OP_READ
  | typeof BLKIF_OP_WRITE
  | typeof BLKIF_OP_WRITE_BARRIER
  | typeof BLKIF_OP_FLUSH_DISKCACHE
  | typeof BLKIF_OP_DISCARD;

/** Something to be put into a ring, in one piece or in several. */
export interface WorkItem {
  readonly operation: Operation;
  readonly request: BlockRequest;
  /** Bytes of the buffer: from `start`, up to `end`. Both 0 when there is no data. */
  readonly start: number;
  readonly end: number;
}

/** Nothing behind it is begun before everything ahead of it is finished. */
export const FENCE = 'fence';

export type Work = WorkItem | typeof FENCE;

/** Whether an operation moves data. */
export function hasData({ start, end }: WorkItem): boolean {
  return end > start;
}
