/** The memory of a process that is not the one in use. */
import { _PAGE_PRESENT, _PAGE_RW } from '@domu/xen-abi';
import { PAGE_SHIFT, PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { Op } from '../task/wait.ts';
import { type AddressSpace, FAULT_OK } from './address-space.ts';
import { frameVa, type Ram } from './ram.ts';

/**
 * Copies between `bytes` and memory that any process has, bringing pages in as its own access would.
 * @returns how many bytes were copied; fewer than all where the rest cannot be reached
 */
export function* copyRemote(
  ram: Ram,
  memory: AddressSpace,
  { va, bytes, write }: { readonly va: number; readonly bytes: Uint8Array; readonly write: boolean },
): Op<number> {
  for (let done = 0; done < bytes.length; ) {
    const at = va + done;
    if (at >= TASK_SIZE) return done;
    const wanted = write ? _PAGE_PRESENT | _PAGE_RW : _PAGE_PRESENT;
    if ((memory.entry(at) & wanted) !== wanted && (yield* memory.fault(at, write)) !== FAULT_OK) return done;
    const entry = memory.entry(at);
    // Gone while a fault slept: as if it had never been there.
    if ((entry & wanted) !== wanted) return done;
    const offset = at % PAGE_SIZE;
    const part = bytes.subarray(done, done + Math.min(PAGE_SIZE - offset, bytes.length - done));
    const place = frameVa(entry >>> PAGE_SHIFT) + offset;
    if (write) ram.write(place, part);
    else ram.read(place, part);
    done += part.length;
  }
  return bytes.length;
}
