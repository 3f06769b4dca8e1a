/** Waiting on words of memory. Source: futex(2). */
import { _PAGE_PRESENT } from '@domu/xen-abi';
import { PAGE_SHIFT, PAGE_SIZE } from '../boot/layout.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { WaitQueue } from './wait.ts';

/** One sleeper on a word. */
export interface FutexWaiter {
  readonly queue: WaitQueue;
  readonly bits: number;
  /** The queue it is in; requeueing changes it. */
  key: string;
  woken: boolean;
}

export const MATCH_ANY = 0xffff_ffff;

/**
 * Sleepers by word. A word is named by its page's frame if the region is shared, else by address space and address.
 */
export class Futexes {
  readonly #waiters: Map<string, FutexWaiter[]> = new Map();
  readonly #ids: WeakMap<AddressSpace, number> = new WeakMap();
  #nextId = 1;

  keyOf(memory: AddressSpace, va: number): string {
    const vma = memory.vmas.find(va);
    const entry = vma?.shared ? memory.entry(va) : 0;
    if (entry & _PAGE_PRESENT) return `f${entry >>> PAGE_SHIFT}:${va % PAGE_SIZE}`;
    let id = this.#ids.get(memory);
    if (id === undefined) {
      id = this.#nextId++;
      this.#ids.set(memory, id);
    }
    return `m${id}:${va}`;
  }

  /** @returns a waiter in the queue of the word */
  add(memory: AddressSpace, va: number, bits: number): FutexWaiter {
    const key = this.keyOf(memory, va);
    const waiter = { queue: new WaitQueue(), bits, key, woken: false };
    const list = this.#waiters.get(key);
    if (list === undefined) this.#waiters.set(key, [waiter]);
    else list.push(waiter);
    return waiter;
  }

  remove(waiter: FutexWaiter): void {
    const list = this.#waiters.get(waiter.key);
    if (list === undefined) return;
    const at = list.indexOf(waiter);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) this.#waiters.delete(waiter.key);
  }

  /** Wakes up to `count` sleepers. @returns how many */
  wake(memory: AddressSpace, va: number, count: number, bits: number = MATCH_ANY): number {
    const list = this.#waiters.get(this.keyOf(memory, va));
    let woken = 0;
    for (const waiter of [...(list ?? [])]) {
      if (woken >= count) break;
      if ((waiter.bits & bits) === 0) continue;
      this.remove(waiter);
      waiter.woken = true;
      waiter.queue.wakeAll();
      woken++;
    }
    return woken;
  }

  /** Moves up to `count` sleepers to another word. @returns how many */
  requeue(memory: AddressSpace, from: number, to: number, count: number): number {
    const target = this.keyOf(memory, to);
    const list = this.#waiters.get(this.keyOf(memory, from));
    let moved = 0;
    for (const waiter of [...(list ?? [])]) {
      if (moved >= count) break;
      this.remove(waiter);
      waiter.key = target;
      const queue = this.#waiters.get(target);
      if (queue === undefined) this.#waiters.set(target, [waiter]);
      else queue.push(waiter);
      moved++;
    }
    return moved;
  }
}
