import { bug } from './bug.ts';

const PAGE_BYTES = 4096;
const PAGE_WORDS = 1024;

/**
 * Machine memory: `nrFrames` frames of 4096 bytes, machine address 0 lying at byte `ramBase` of the CPU's memory.
 * All views start at machine address 0. The memory must never grow (views would detach).
 */
export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  /** Byte offset of machine address 0 in `memory`, a multiple of 4096. */
  readonly ramBase: number;
  readonly nrFrames: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  /** Told of frames whose whole contents were replaced here: code compiled from them is out of date. */
  onFrameReplaced: (mfn: number) => void = () => {};

  /** Preconditions: `ramBase` is page-aligned; `ramBase + nrFrames * 4096` fits in `memory`; `nrFrames` <= 2^20. */
  constructor(memory: WebAssembly.Memory, ramBase: number, nrFrames: number) {
    const bytes = nrFrames * PAGE_BYTES;
    if (ramBase % PAGE_BYTES !== 0) bug(`machine memory at ${ramBase}: not page-aligned`);
    if (nrFrames < 1 || nrFrames > 0x10_0000) bug(`${nrFrames} frames: must be 1 to 2^20`);
    if (ramBase + bytes > memory.buffer.byteLength) bug('machine memory does not fit its WebAssembly.Memory');
    this.memory = memory;
    this.ramBase = ramBase;
    this.nrFrames = nrFrames;
    this.u8 = new Uint8Array(memory.buffer, ramBase, bytes);
    this.u32 = new Uint32Array(memory.buffer, ramBase, bytes / 4);
    this.view = new DataView(memory.buffer, ramBase, bytes);
  }

  /** The bytes of one frame, live. */
  frame(mfn: number): Uint8Array {
    return this.u8.subarray(mfn * PAGE_BYTES, (mfn + 1) * PAGE_BYTES);
  }

  zero(mfn: number): void {
    this.u32.fill(0, mfn * PAGE_WORDS, (mfn + 1) * PAGE_WORDS);
    this.onFrameReplaced(mfn);
  }

  copyFrame(dstMfn: number, srcMfn: number): void {
    this.u32.copyWithin(dstMfn * PAGE_WORDS, srcMfn * PAGE_WORDS, (srcMfn + 1) * PAGE_WORDS);
    this.onFrameReplaced(dstMfn);
  }
}
