import {
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_update_va_mapping_otherdomain,
  MMUEXT_COPY_PAGE,
  MMUEXT_INVLPG_ALL,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_UNPIN_TABLE,
  XENMEM_add_to_physmap,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_increase_reservation,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
  XENMEM_translate_gpfn_list,
} from '@domu/xen-abi';
import { type Call, LOAD, LOAD_CR3, LOAD_SEGMENT, STORE, type Value } from './call.ts';
import { GRANT_TABLE_VA, SHARED_INFO_VA } from './guest.ts';
import type { Words } from './words.ts';

export function mmuUpdate(w: Words): Call {
  const n = 1 + w.random.below(4);
  const words = Array.from({ length: n }, () => {
    const machphys = w.random.oneIn(8);
    const address: Value = machphys ? w.frame(4096, 1) : w.entryAddress();
    return [
      address,
      w.random.oneIn(30) ? 1 : 0,
      machphys ? w.page() : w.pte(),
      w.random.oneIn(30) ? w.odd() : 0,
    ];
  }).flat();
  const count = w.random.oneIn(20) ? w.odd() : n;
  const foreign = w.random.oneIn(12) ? w.domid() : w.random.oneIn(20) ? w.highDomid(0x7ff0) : 0x7ff0;
  return w.call(__HYPERVISOR_mmu_update, [w.pointer(), count, done(w), foreign], words);
}

/** Where the number of requests done goes: mostly nowhere. */
const done = (w: Words): Value => (w.random.oneIn(2) ? 0 : w.pointer(240));

export function mmuextOp(w: Words): Call {
  const { random } = w;
  const n = 1 + random.below(3);
  const words = Array.from({ length: n }, (): Value[] => {
    const pins = MMUEXT_PIN_L1_TABLE + random.below(4);
    const cmd = random.pick([
      pins,
      pins,
      MMUEXT_UNPIN_TABLE,
      MMUEXT_UNPIN_TABLE,
      MMUEXT_NEW_BASEPTR,
      w.small(21),
    ]);
    if (cmd === pins && random.oneIn(2)) return [cmd, spareTable(w, pins - MMUEXT_PIN_L1_TABLE), 0];
    if (cmd === MMUEXT_SET_LDT) {
      const base = random.oneIn(4) ? w.byteVa() : (w.va() & ~0xfff) >>> 0;
      return [cmd, base, random.pick([0, 1, 16, 512, 513, 8192, 8193, w.odd()])];
    }
    if (cmd >= MMUEXT_TLB_FLUSH_LOCAL && cmd <= MMUEXT_INVLPG_ALL) return [cmd, w.byteVa(), w.pointer(200)];
    if (cmd === MMUEXT_COPY_PAGE) return [cmd, w.frame(), w.frame()];
    if (cmd === MMUEXT_NEW_BASEPTR) return [cmd, random.oneIn(12) ? w.frame() : tableFrame(w, 1), 0];
    return [cmd, random.oneIn(3) ? tableFrame(w, 1) : w.frame(), w.small(4)];
  }).flat();
  const foreign = random.oneIn(12) ? w.domid() : 0x7ff0;
  return w.call(
    __HYPERVISOR_mmuext_op,
    [w.pointer(), random.oneIn(20) ? w.odd() : n, done(w), foreign],
    words,
  );
}

/** A table of the spare set, of the level (0 to 2) that it has in PAE or in 2-level tables. */
const spareTable = (w: Words, level: number): Value => ({
  kind: 'frame',
  guest: -1,
  page: w.random.pick([[61, 61, 57], [57, 58, 59, 60, 56], [56]][level] ?? [56]),
  mul: 1,
  add: 0,
});

/** One of the two sets of tables; mostly a root. */
const tableFrame = (w: Words, mul: number): Value => ({
  kind: 'frame',
  guest: -1,
  page: w.random.oneIn(8) ? w.random.pick([57, 58, 60, 61, 65, 66, 69]) : w.random.pick([56, 64]),
  mul,
  add: 0,
});

export function updateVaMapping(w: Words): Call {
  const { random } = w;
  const flags: Value = random.oneIn(8) ? w.pointer(200) : random.below(8);
  const nr = random.oneIn(20) ? __HYPERVISOR_update_va_mapping_otherdomain : __HYPERVISOR_update_va_mapping;
  return w.call(nr, [
    w.va(),
    random.oneIn(10) ? w.odd() : w.pte(),
    random.oneIn(20) ? w.odd() : 0,
    flags,
    w.domid(),
  ]);
}

function reservation(w: Words, listOffset: number, n: number): Value[] {
  const { random } = w;
  const count = random.oneIn(16) ? w.odd() : n;
  const order = random.oneIn(6) ? random.pick([1, 2, 9, 10, 20, 31, w.odd()]) : 0;
  return [w.pointer(listOffset), count, order, 0, random.oneIn(10) ? w.domid() : 0x7ff0];
}

export function memoryOp(w: Words): Call {
  const { random } = w;
  const cmd = random.pick([
    ...[XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap],
    ...[XENMEM_decrease_reservation, XENMEM_populate_physmap, XENMEM_exchange],
    ...[XENMEM_add_to_physmap, XENMEM_remove_from_physmap, XENMEM_translate_gpfn_list],
    ...[XENMEM_machphys_mfn_list, XENMEM_memory_map, XENMEM_machphys_mapping, random.below(30)],
  ]);
  const n = 1 + random.below(4);
  const list = w.list(8, () => (random.oneIn(2) ? w.page() : w.frame()));
  const words = memoryOpWords(w, cmd, n);
  while (words.length < 32) words.push(0);
  const continued = random.oneIn(30) ? w.random.below(8) << 6 : 0;
  return w.call(__HYPERVISOR_memory_op, [cmd | continued, w.pointer()], [...words, ...list]);
}

/** The argument; lists of frames stand in the block from byte 128 on. */
function memoryOpWords(w: Words, cmd: number, n: number): Value[] {
  switch (cmd) {
    case XENMEM_exchange:
      return [...reservation(w, 128, n), ...reservation(w, 144, n), w.random.oneIn(8) ? w.small(3) : 0];
    case XENMEM_add_to_physmap:
      return [
        w.random.oneIn(3) ? w.domid() : 0x7ff0,
        w.small(5),
        w.random.oneIn(8) ? w.odd() : w.small(5),
        w.page(),
      ];
    case XENMEM_remove_from_physmap:
      return [w.random.oneIn(5) ? w.domid() : 0x7ff0, w.page()];
    case XENMEM_translate_gpfn_list:
      return [
        w.random.oneIn(5) ? w.domid() : 0x7ff0,
        w.random.oneIn(9) ? w.odd() : n,
        w.pointer(128),
        w.pointer(144),
      ];
    case XENMEM_memory_map:
    case XENMEM_machphys_mfn_list:
      return [w.count(), w.pointer(128), 0];
    default:
      return reservation(w, 128, n);
  }
}

export function setGdt(w: Words): Call {
  const frames = w.list(14, () => w.frame());
  const entries = w.random.pick([0, 1, 8, 512, 513, 1024, 7168, 7169, w.odd()]);
  return w.call(__HYPERVISOR_set_gdt, [w.pointer(), entries], frames);
}

export function updateDescriptor(w: Words): Call {
  const { random } = w;
  const address = w.frame(4096, random.below(64) * 8 + (random.oneIn(12) ? 4 : 0));
  const high = random.pick([
    0x00cf_fb00,
    0x00cf_9300,
    0x00cf_f300,
    0x0000_8200,
    0x0000_ec00,
    0x0000_8900,
    w.odd(),
  ]);
  return w.call(__HYPERVISOR_update_descriptor, [address, random.oneIn(20) ? 1 : 0, w.odd(), high]);
}

/** The guest's own use of its memory. */
export function instruction(w: Words): Call {
  const { random } = w;
  const kind = random.below(12);
  if (kind === 0) return w.call(LOAD_CR3, [random.oneIn(12) ? w.frame(4096) : tableFrame(w, 4096)]);
  if (kind < 3) return w.call(LOAD_SEGMENT, [random.below(80) * 8 + random.below(8)]);
  if (kind < 5) return w.call(LOAD, [w.va()]);
  const value = random.oneIn(2) ? w.pte() : w.odd();
  if (kind < 7) {
    // A grant entry: flags and domain, or the frame.
    const entry = GRANT_TABLE_VA + random.below(32) * 8;
    if (random.oneIn(2)) return w.call(STORE, [entry + 4, w.frame()]);
    return w.call(STORE, [entry, w.highDomid(random.pick([0, 1, 1, 5, 2, 3, 0x101, random.below(512)]))]);
  }
  if (kind === 7) {
    const word = random.pick([0, 4, 0x40, 0x44, 0x800, 0x804, 0x880, 0x884, 0x90c, random.below(0x930)]);
    return w.call(STORE, [SHARED_INFO_VA + (word & ~3), random.oneIn(2) ? 0 : w.odd()]);
  }
  return w.call(STORE, [(w.va() + random.below(1024) * 4) >>> 0, value]);
}
