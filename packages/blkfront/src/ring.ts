import type { FrontRing } from '@domu/grant-table/guest';
import { BlkifRequest, BlkifResponse } from '@domu/xen-abi';

/** Bytes of a slot: requests are the longer ones. */
export const STRIDE: number = BlkifRequest.size;

/** Takes a block ring's responses. */
export class AnswerReader {
  readonly #response: Uint8Array = new Uint8Array(BlkifResponse.size);
  readonly #view: DataView = new DataView(this.#response.buffer);

  /**
   * Takes the responses that there are.
   * @param handle is given id, operation and status (BLKIF_RSP_*); it may put requests. @returns false to stop
   * @returns false when `handle` did, or when the backend answered more than it was asked
   */
  take(ring: FrontRing, handle: (id: number, operation: number, status: number) => boolean): boolean {
    const view = this.#view;
    for (;;) {
      const waiting = ring.waiting();
      if (waiting <= 0) return waiting === 0;
      for (let i = 0; i < waiting; i++) {
        ring.take(this.#response);
        const id = BlkifResponse.id.getNumber(view, 0);
        if (!handle(id, BlkifResponse.operation.get(view, 0), BlkifResponse.status.get(view, 0)))
          return false;
      }
      if (!ring.await(1)) return true;
    }
  }
}
