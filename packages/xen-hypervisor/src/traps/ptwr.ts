import { PGT_l1_page_table } from '@domu/shadow-mmu';
import type { Exit } from '@domu/x86-cpu';
import { MMU_NORMAL_PT_UPDATE, VMASST_TYPE_writable_pagetables } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';
import { PFEC_page_present, PFEC_write_access } from './vectors.ts';

const WORDS_PER_PAGE = 1024;
const PTE_PRESENT = 1;

/**
 * A kernel with VMASST_TYPE_writable_pagetables may write to its own L1 tables although they are mapped read-only. The
 * instruction is run against a copy of the table; what it changed there is then asked of the page-table checks.
 * @returns the CPU's exit after the instruction, or null when the #PF is the guest's own
 * Source (for what is allowed): xen/arch/x86/pv/ro-page-fault.c @ RELEASE-4.18.0
 */
export function emulatePageTableWrite(vcpu: Vcpu, errorCode: number, cr2: number): Exit | null {
  const { machine } = vcpu.domain;
  const table = writableTable(vcpu, errorCode, cr2);
  if (table < 0) return null;
  const { cpu, bus, memory, scratchMfn } = machine;
  const before = { regs: cpu.regs.slice(), eip: cpu.eip, eflags: cpu.eflags };
  memory.copyFrame(scratchMfn, table);
  bus.redirect(cr2, scratchMfn);
  const exit = cpu.run(1);
  bus.redirect(cr2, -1);
  if (applyChange(vcpu, table)) return exit;
  cpu.regs.set(before.regs);
  cpu.eip = before.eip;
  cpu.eflags = before.eflags;
  return null;
}

/** @returns frame of the L1 table that the faulting access wrote to, or -1 when the write is not to be emulated */
function writableTable(vcpu: Vcpu, errorCode: number, cr2: number): number {
  const { machine, paging, id } = vcpu.domain;
  const { frames, cpu } = machine;
  const code = PFEC_page_present | PFEC_write_access;
  if (errorCode !== code || cpu.cpl === 3 || !vcpu.domain.hasAssist(VMASST_TYPE_writable_pagetables))
    return -1;
  const mfn = paging.linearToMfn(vcpu.rootMfn, cr2);
  if (mfn < 0 || frames.owner(mfn) !== id) return -1;
  return frames.type(mfn) === PGT_l1_page_table && frames.typeCount(mfn) > 0 ? mfn : -1;
}

/** Carries over the one entry that differs between the copy and the table. @returns false when that is refused */
function applyChange(vcpu: Vcpu, table: number): boolean {
  const { machine, paging, mode } = vcpu.domain;
  const { u32 } = machine.memory;
  const words = mode === 'pae' ? 2 : 1;
  const copy = machine.scratchMfn * WORDS_PER_PAGE;
  const real = table * WORDS_PER_PAGE;
  let changed = -1;
  for (let i = 0; i < WORDS_PER_PAGE; i++) {
    if (u32[copy + i] === u32[real + i]) continue;
    const slot = i - (i % words);
    if (changed >= 0 && changed !== slot) return false;
    changed = slot;
  }
  if (changed < 0) return true;
  const ptr = ((real + changed) * 4) | MMU_NORMAL_PT_UPDATE;
  const lo = u32[copy + changed];
  const hi = words === 2 ? u32[copy + changed + 1] : 0;
  if (paging.mmuUpdate(ptr, 0, lo, hi) === 0) return true;
  // The high half of a PAE entry alone: the guest has the two halves the wrong way round; wait for the low one.
  const highHalfOnly = words === 2 && lo === u32[real + changed] && (lo & PTE_PRESENT) !== 0;
  return highHalfOnly && paging.mmuUpdate(ptr, 0, lo & ~PTE_PRESENT, hi) === 0;
}
