import type { BlockStore } from './block-store.ts';

/** A disk that holds something of the host's. */
export interface DiskImage extends BlockStore {
  /** Lets go of it; further calls fail. Closing twice does nothing. */
  close(): void;
}
