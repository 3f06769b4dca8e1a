/** Where the journal's blocks are on the disk. */
import { E } from '../../../abi/errno.ts';
import type { Op } from '../../../task/wait.ts';
import type { BlockDevice } from '../../types.ts';
import type { FileMaps, MappedFile } from '../file-map.ts';

/** Most bytes of one transfer. */
const TRANSFER_BYTES = 262144;
/** Pieces that a journal may be in. */
const MAX_PIECES = 65536;

interface Piece {
  readonly index: number;
  readonly block: number;
  readonly count: number;
}

export class JournalArea {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly #device: BlockDevice;
  readonly #pieces: readonly Piece[];

  private constructor(device: BlockDevice, blockBytes: number, pieces: readonly Piece[], blocks: number) {
    this.#device = device;
    this.blockBytes = blockBytes;
    this.#pieces = pieces;
    this.blocks = blocks;
  }

  /** Looks up all blocks of the journal's file. @returns -EIO if it has holes, or cannot be read */
  static *find(
    device: BlockDevice,
    blockBytes: number,
    maps: FileMaps,
    file: MappedFile & { readonly size: number },
  ): Op<JournalArea | number> {
    const blocks = Math.floor(file.size / blockBytes);
    const pieces: Piece[] = [];
    for (let index = 0; index < blocks; ) {
      const mapping = yield* maps.find(file, index, blocks - index);
      if (typeof mapping === 'number') return mapping;
      if (mapping.block === 0 || mapping.unwritten || pieces.length >= MAX_PIECES) return -E.IO;
      const last = pieces.at(-1);
      if (last !== undefined && last.block + last.count === mapping.block)
        pieces[pieces.length - 1] = { ...last, count: last.count + mapping.count };
      else pieces.push({ index, block: mapping.block, count: mapping.count });
      index += mapping.count;
    }
    return new JournalArea(device, blockBytes, pieces, blocks);
  }

  /** Reads whole blocks, none of them beyond the end. */
  read(position: number, into: Uint8Array): Op<number> {
    return this.#transfer(position, into, false);
  }

  /** Writes whole blocks, none of them beyond the end. */
  write(position: number, from: Uint8Array): Op<number> {
    return this.#transfer(position, from, true);
  }

  *#transfer(position: number, bytes: Uint8Array, writes: boolean): Op<number> {
    const { blockBytes } = this;
    for (let done = 0; done < bytes.length; ) {
      const index = position + done / blockBytes;
      const piece = this.#pieceAt(index);
      if (piece === undefined) return -E.IO;
      const room = (piece.index + piece.count - index) * blockBytes;
      const part = bytes.subarray(done, done + Math.min(room, TRANSFER_BYTES, bytes.length - done));
      const sector = (piece.block + index - piece.index) * (blockBytes / 512);
      const moved = yield* writes ? this.#device.write(sector, part) : this.#device.read(sector, part);
      if (moved < 0) return moved;
      done += part.length;
    }
    return 0;
  }

  #pieceAt(index: number): Piece | undefined {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle]!.index <= index) low = middle + 1;
      else high = middle;
    }
    const piece = this.#pieces[low - 1];
    return piece !== undefined && index < piece.index + piece.count ? piece : undefined;
  }
}
