/** The memory of the process whose page tables are in use, for system calls. */
import type { GuestPort } from '@domu/xen-abi';
import { E } from '../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { ByteString, UserMemory } from '../fs/types.ts';
import type { Op, Sleep } from '../task/wait.ts';
import { type AddressSpace, FAULT_OK, FAULT_OOM } from './address-space.ts';

const WRITE_FAULT = 2;
const STRING_CHUNK = 256;

/**
 * Every access is checked to lie below TASK_SIZE and makes missing pages present as the user's own access would.
 * Preconditions: `space` is in use
 */
export class UserSpace implements UserMemory {
  space: AddressSpace;
  /** Goes on with bringing a page in that must come from a disk; the access that wanted it fails. */
  finishLater: (op: Op<number>, sleep: Sleep) => void = () => {};
  /** There is no memory for a page. @returns whether somebody else's has been taken */
  outOfMemory: () => boolean = () => false;
  readonly #port: GuestPort;
  readonly #chunk: Uint8Array = new Uint8Array(STRING_CHUNK);

  constructor(port: GuestPort, space: AddressSpace) {
    this.#port = port;
    this.space = space;
  }

  read(va: number, into: Uint8Array): boolean {
    if (!inside(va, into.length)) return false;
    while (!this.#port.readBytes(va, into)) if (!this.#bringIn(false)) return false;
    return true;
  }

  write(va: number, from: Uint8Array): boolean {
    if (!inside(va, from.length)) return false;
    while (!this.#port.writeBytes(va, from)) if (!this.#bringIn(true)) return false;
    return true;
  }

  read32(va: number): number | undefined {
    if (!inside(va, 4)) return undefined;
    for (;;) {
      const value = this.#port.read32(va);
      if (value >= 0) return value;
      if (!this.#bringIn(false)) return undefined;
    }
  }

  write32(va: number, value: number): boolean {
    if (!inside(va, 4)) return false;
    while (!this.#port.write32(va, value)) if (!this.#bringIn(true)) return false;
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
    if (!step.done) this.finishLater(op, step.value);
    if (step.done !== true) return false;
    return step.value === FAULT_OK || (step.value === FAULT_OOM && this.outOfMemory());
  }
}

function inside(va: number, length: number): boolean {
  return va + length <= TASK_SIZE;
}
