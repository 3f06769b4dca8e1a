import {
  __HYPERVISOR_mmuext_op,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_COPY_PAGE,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_FLUSH_CACHE_GLOBAL,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_MARK_SUPER,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L2_TABLE,
  MMUEXT_PIN_L3_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  MMUEXT_UNMARK_SUPER,
  MMUEXT_UNPIN_TABLE,
  MmuextOp,
  XEN_EACCES,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { setLdt } from '../descriptor-tables.ts';
import { checkForeignDomid, runBatch } from './mmu.ts';

/** Checking or releasing the tables below one entry. */
const TABLE_WORK = 64;

/**
 * HYPERVISOR_mmuext_op: pins, base pointer, flushes, LDT, page clearing, until the first that is refused.
 * Source: xen/arch/x86/mm.c do_mmuext_op @ RELEASE-4.18.0
 */
export function mmuextOp(
  caller: Caller,
  list: number,
  count: number,
  pdone: number,
  foreign: number,
): number {
  const rc = checkForeignDomid(caller, foreign & 0xffff);
  if (rc !== 0) return rc;
  const batch = { nr: __HYPERVISOR_mmuext_op, list, count, pdone, foreign };
  return runBatch(caller, batch, MmuextOp.size, extStep);
}

function extStep(caller: Caller, request: DataView): number {
  const { cmd, arg1, arg2 } = MmuextOp;
  const errno = runOp(caller, cmd.get(request, 0), arg1.mfn.get(request, 0), arg2.src_mfn.get(request, 0));
  return caller.domain.release.mmuErrno(errno);
}

function runOp(caller: Caller, cmd: number, arg1: number, arg2: number): number {
  const { machine, domain, vcpu, mem } = caller;
  const { paging, release } = domain;
  if (cmd > release.highestMmuextCmd) return -XEN_ENOSYS;
  switch (cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
      machine.work.charge(TABLE_WORK);
      return paging.pin(cmd - MMUEXT_PIN_L1_TABLE + 1, arg1);
    case MMUEXT_UNPIN_TABLE:
      machine.work.charge(TABLE_WORK);
      return paging.unpin(arg1);
    case MMUEXT_NEW_BASEPTR:
      machine.work.charge(TABLE_WORK);
      return machine.newBaseptr(vcpu, arg1);
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
      if (mem.readU32(arg2) < 0) return -XEN_EINVAL;
      return flush(caller, cmd === MMUEXT_TLB_FLUSH_MULTI, arg1);
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
      return flush(caller, true, 0);
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
      return flush(caller, false, arg1);
    case MMUEXT_FLUSH_CACHE:
      return -XEN_EACCES;
    case MMUEXT_FLUSH_CACHE_GLOBAL:
    case MMUEXT_NEW_USER_BASEPTR:
      return -XEN_EINVAL;
    case MMUEXT_SET_LDT:
      return setLdt(vcpu, arg1, arg2);
    case MMUEXT_CLEAR_PAGE:
      return paging.clearPage(arg1);
    case MMUEXT_COPY_PAGE:
      return paging.copyPage(arg1, arg2);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
      return -XEN_EOPNOTSUPP;
    default:
      return -XEN_ENOSYS;
  }
}

/** Any set of vCPUs: the one that runs is flushed now, the others start with an empty TLB. */
function flush(caller: Caller, all: boolean, linear: number): number {
  if (all) caller.machine.flushTlb();
  else caller.machine.cpu.invlpg(linear);
  return 0;
}
