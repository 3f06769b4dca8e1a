/** Thread-local storage: struct user_desc and the descriptors made of it. Source: linux arch/x86/kernel/tls.c, asm/desc.h. */
import { E } from '../abi/errno.ts';
import { GDT_ENTRY_TLS_ENTRIES, GDT_ENTRY_TLS_MIN } from '../boot/layout.ts';
import type { UserMemory } from '../fs/types.ts';

/** struct user_desc: entry_number, base_addr, limit, flags. */
const USER_DESC_BYTES = 16;
const SEG_32BIT = 1;
const CONTENTS_SHIFT = 1;
const READ_EXEC_ONLY = 8;
const LIMIT_IN_PAGES = 0x10;
const SEG_NOT_PRESENT = 0x20;
const USEABLE = 0x40;

/**
 * set_thread_area: puts a descriptor into a task's three.
 * @param tls the task's descriptors, two words each
 * @returns 0 or -errno; entry -1 means any free one, and the number is written back
 */
export function readTlsDescriptor(user: UserMemory, va: number, tls: Uint32Array): number {
  const bytes = new Uint8Array(USER_DESC_BYTES);
  if (!user.read(va, bytes)) return -E.FAULT;
  const view = new DataView(bytes.buffer);
  let entry = view.getInt32(0, true);
  const [base, limit, flags] = [4, 8, 12].map((at) => view.getUint32(at, true));
  if (entry === -1) {
    const free = [0, 1, 2].find((i) => tls[2 * i] === 0 && tls[2 * i + 1] === 0);
    if (free === undefined) return -E.SRCH;
    entry = GDT_ENTRY_TLS_MIN + free;
    if (!user.write32(va, entry)) return -E.FAULT;
  }
  const slot = entry - GDT_ENTRY_TLS_MIN;
  if (slot < 0 || slot >= GDT_ENTRY_TLS_ENTRIES) return -E.INVAL;
  const isEmpty = base === 0 && limit === 0 && (flags & (READ_EXEC_ONLY | SEG_NOT_PRESENT)) === 0x28;
  if (isEmpty) {
    tls.fill(0, 2 * slot, 2 * slot + 2);
    return 0;
  }
  // Only data segments that a 32-bit program can use: no code, no 16-bit ones.
  if (((flags >>> CONTENTS_SHIFT) & 3) > 1 || !(flags & SEG_32BIT)) return -E.INVAL;
  tls[2 * slot] = ((base << 16) | (limit & 0xffff)) >>> 0;
  tls[2 * slot + 1] = descriptorHigh(base, limit, flags);
  return 0;
}

/** get_thread_area. */
export function writeTlsDescriptor(user: UserMemory, va: number, tls: Uint32Array): number {
  const entry = user.read32(va);
  if (entry === undefined) return -E.FAULT;
  const slot = (entry | 0) - GDT_ENTRY_TLS_MIN;
  if (slot < 0 || slot >= GDT_ENTRY_TLS_ENTRIES) return -E.INVAL;
  const [low, high] = [tls[2 * slot], tls[2 * slot + 1]];
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0;
  const flags =
    ((high >>> 22) & 1) |
    (((high >>> 10) & 3) << CONTENTS_SHIFT) |
    ((high >>> 9) & 1 ? 0 : READ_EXEC_ONLY) |
    ((high >>> 23) & 1 ? LIMIT_IN_PAGES : 0) |
    ((high >>> 15) & 1 ? 0 : SEG_NOT_PRESENT) |
    ((high >>> 20) & 1 ? USEABLE : 0);
  const words = [entry, base, (low & 0xffff) | (high & 0xf_0000), flags];
  return user.write(va, new Uint8Array(Uint32Array.from(words).buffer)) ? 0 : -E.FAULT;
}

function descriptorHigh(base: number, limit: number, flags: number): number {
  const present = flags & SEG_NOT_PRESENT ? 0 : 0x8000;
  const writable = flags & READ_EXEC_ONLY ? 0 : 0x200;
  return (
    (((base >>> 16) & 0xff) |
      (base & 0xff00_0000) |
      (limit & 0xf_0000) |
      0x7100 | // accessed, data, DPL 3
      (((flags >>> CONTENTS_SHIFT) & 3) << 10) |
      writable |
      present |
      (flags & USEABLE ? 0x10_0000 : 0) |
      0x40_0000 |
      (flags & LIMIT_IN_PAGES ? 0x80_0000 : 0)) >>>
    0
  );
}
