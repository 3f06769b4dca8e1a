/** The memory of the process whose page tables are in use, for system calls. */
import type { GuestPort } from '@domu/xen-abi';
import { E } from '../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { ByteString, UserMemory } from '../fs/types.ts';
import type { Op, Sleep } from '../task/wait.ts';
import { type AddressSpace, FAULT_OK, FAULT_OOM } from './address-space.ts';

const WRITE_FAULT = 2;
const STRING_CHUNK = 256;

/** What a system call wrote to a page that was still on a disk. */
export interface LateWrite {
  readonly space: AddressSpace;
  readonly va: number;
  readonly bytes: Uint8Array;
}

/**
 * Every access is checked to lie below TASK_SIZE and makes missing pages present as the user's own access would.
 * A page that has to be read from a disk cannot be waited for here. A write to one is kept in `late`, to be made before the
 * task goes on; a read fails, and `missed` says that it does so for this reason only.
 * Preconditions: `space` is in use
 */
export class UserSpace implements UserMemory {
  space: AddressSpace;
  /** Of the task that is worked for. */
  late: LateWrite[] = [];
  /** Address of the last read that failed for want of a page that is on its way, or -1. */
  missed = -1;
  /** Goes on with bringing a page in that must come from a disk. */
  finishLater: (op: Op<number>, sleep: Sleep) => void = () => {};
  /** There is no memory for a page. @returns whether somebody else's has been taken */
  outOfMemory: () => boolean = () => false;
  readonly #port: GuestPort;
  readonly #chunk: Uint8Array = new Uint8Array(STRING_CHUNK);
  /** The last fault waits for a disk. */
  #sleeps = false;

  constructor(port: GuestPort, space: AddressSpace) {
    this.#port = port;
    this.space = space;
  }

  read(va: number, into: Uint8Array): boolean {
    if (!inside(va, into.length)) return false;
    while (!this.#port.readBytes(va, into)) if (!this.#bringIn(false)) return this.#missed();
    return true;
  }

  write(va: number, from: Uint8Array): boolean {
    if (!inside(va, from.length)) return false;
    while (!this.#port.writeBytes(va, from))
      if (!this.#bringIn(true)) return this.#writeLater(va, () => from.slice());
    return true;
  }

  read32(va: number): number | undefined {
    if (!inside(va, 4)) return undefined;
    for (;;) {
      const value = this.#port.read32(va);
      if (value >= 0) return value;
      if (!this.#bringIn(false)) {
        this.#missed();
        return undefined;
      }
    }
  }

  write32(va: number, value: number): boolean {
    if (!inside(va, 4)) return false;
    while (!this.#port.write32(va, value))
      if (!this.#bringIn(true)) return this.#writeLater(va, () => littleEndian(value));
    return true;
  }

  readString(va: number, maxBytes: number): ByteString | number {
    let text = '';
    for (let at = va; text.length < maxBytes; ) {
      const length = Math.min(STRING_CHUNK, maxBytes - text.length, PAGE_SIZE - (at % PAGE_SIZE));
      const chunk = this.#chunk.subarray(0, length);
      if (!this.read(at, chunk)) return -E.FAULT;
      const end = chunk.indexOf(0);
      text += String.fromCharCode(...(end < 0 ? chunk : chunk.subarray(0, end)));
      if (end >= 0) return text;
      at += length;
    }
    return -E.NAMETOOLONG;
  }

  *populate(va: number, lengthBytes: number, forWriting: boolean): Op<boolean> {
    if (!inside(va, lengthBytes)) return false;
    const { space } = this;
    for (let page = va - (va % PAGE_SIZE); page < va + lengthBytes; page += PAGE_SIZE) {
      let result = yield* space.fault(page, forWriting);
      while (result === FAULT_OOM && this.outOfMemory()) result = yield* space.fault(page, forWriting);
      if (result !== FAULT_OK) return false;
    }
    return true;
  }

  /** Handles the fault that the port has just reported. @returns whether the access may be tried again */
  #bringIn(write: boolean): boolean {
    const { address, errorCode } = this.#port.fault;
    const op = this.space.fault(address, write || (errorCode & WRITE_FAULT) !== 0);
    const step = op.next('event');
    this.#sleeps = !step.done;
    if (!step.done) this.finishLater(op, step.value);
    if (step.done !== true) return false;
    return step.value === FAULT_OK || (step.value === FAULT_OOM && this.outOfMemory());
  }

  #missed(): false {
    if (this.#sleeps) this.missed = this.#port.fault.address;
    return false;
  }

  #writeLater(va: number, bytes: () => Uint8Array): boolean {
    if (this.#sleeps) this.late.push({ space: this.space, va, bytes: bytes() });
    return this.#sleeps;
  }
}

function littleEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function inside(va: number, length: number): boolean {
  return va + length <= TASK_SIZE;
}
