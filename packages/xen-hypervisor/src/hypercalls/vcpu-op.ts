import {
  SHUTDOWN_poweroff,
  VCPUOP_down,
  VCPUOP_get_physid,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_runstate_phys_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_register_vcpu_time_phys_area,
  VCPUOP_send_nmi,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
  VcpuGuestContext,
  VcpuRegisterRunstateMemoryArea,
  VcpuRegisterTimeMemoryArea,
  VcpuRegisterVcpuInfo,
  VcpuRunstateInfo,
  VcpuSetPeriodicTimer,
  VcpuSetSingleshotTimer,
  VcpuTimeInfo,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import type { GuestArea } from '../guest-area.ts';
import { updateRunstateArea, updateTimeRecord } from '../time-records.ts';
import type { Vcpu } from '../vcpu.ts';
import { initialiseVcpu } from '../vcpu-context.ts';
import { registerVcpuInfo } from '../vcpu-info.ts';

const MIN_PERIOD_NS = 1_000_000;
/** STIME_DELTA_MAX. Source: xen/include/xen/time.h @ RELEASE-4.18.0 */
const MAX_PERIOD_NS = 2 ** 62;

/**
 * HYPERVISOR_vcpu_op on one of the caller's own vCPUs. @returns 0, or a value for is_up; -ENOENT no such vCPU, -EFAULT,
 * -ENOSYS unknown command, and errnos of the commands
 * Source: xen/common/domain.c, "common_vcpu_op"; xen/arch/x86/domain.c, "do_vcpu_op" @ RELEASE-4.18.0
 */
export function vcpuOp(caller: Caller, cmd: number, vcpuid: number, arg: number): number {
  const { vcpus } = caller.domain;
  if (vcpuid >= vcpus.length) return -XEN_ENOENT;
  const target = vcpus[vcpuid];
  switch (cmd) {
    case VCPUOP_initialise:
      return initialise(caller, target, arg);
    case VCPUOP_up:
      return up(caller, target);
    case VCPUOP_down:
      return down(caller, target);
    case VCPUOP_is_up:
      return target.online ? 1 : 0;
    case VCPUOP_get_runstate_info:
      return getRunstateInfo(caller, target, arg);
    case VCPUOP_register_runstate_memory_area:
      return registerRunstateArea(caller, target, arg);
    case VCPUOP_set_periodic_timer:
      return setPeriodicTimer(caller, target, arg);
    case VCPUOP_stop_periodic_timer:
      target.timers.setPeriod(0);
      return 0;
    case VCPUOP_set_singleshot_timer:
      return target === caller.vcpu ? setSingleshotTimer(caller, arg) : -XEN_EINVAL;
    case VCPUOP_stop_singleshot_timer:
      if (target !== caller.vcpu) return -XEN_EINVAL;
      target.timers.singleshot.stop();
      return 0;
    case VCPUOP_register_vcpu_info:
      return registerInfo(caller, target, arg);
    case VCPUOP_register_vcpu_time_memory_area:
      return registerTimeArea(caller, target, arg);
    case VCPUOP_register_runstate_phys_area:
      return registerPhysArea(caller, arg, {
        area: target.runstateArea,
        size: VcpuRunstateInfo.size,
        update: () => updateRunstateArea(target),
      });
    case VCPUOP_register_vcpu_time_phys_area:
      return registerPhysArea(caller, arg, {
        area: target.timeArea,
        size: VcpuTimeInfo.size,
        update: () => updateTimeRecord(target),
      });
    case VCPUOP_send_nmi:
      return sendNmi(caller, target, arg);
    case VCPUOP_get_physid:
      return -XEN_EINVAL;
    default:
      return -XEN_ENOSYS;
  }
}

function initialise({ mem }: Caller, target: Vcpu, arg: number): number {
  const context = mem.readView(arg, VcpuGuestContext.size);
  if (context === null) return -XEN_EFAULT;
  return target.initialised ? -XEN_EEXIST : initialiseVcpu(target, context);
}

function up({ machine }: Caller, target: Vcpu): number {
  if (!target.initialised) return -XEN_EINVAL;
  target.online = true;
  machine.scheduler.resume(target);
  return 0;
}

/** The last vCPU to go down takes the domain with it. */
function down({ machine, domain }: Caller, target: Vcpu): number {
  const othersUp = domain.vcpus.some((vcpu) => vcpu !== target && vcpu.online);
  if (othersUp) target.online = false;
  else machine.shutdownDomain(domain, SHUTDOWN_poweroff);
  return 0;
}

function getRunstateInfo({ machine, mem }: Caller, target: Vcpu, arg: number): number {
  return mem.writeView(arg, target.runstate.encode(machine.clock.nowNs())) ? 0 : -XEN_EFAULT;
}

/** The record is written at once; a page that is not there is the guest's loss, now and later. */
function registerRunstateArea({ mem }: Caller, target: Vcpu, arg: number): number {
  const va = mem.readU32(arg + VcpuRegisterRunstateMemoryArea.addr.offset);
  if (va < 0 || !mem.accessOk(va, VcpuRunstateInfo.size)) return -XEN_EFAULT;
  target.runstate.areaVa = va;
  updateRunstateArea(target);
  return 0;
}

function setPeriodicTimer({ mem }: Caller, target: Vcpu, arg: number): number {
  const view = mem.readView(arg, VcpuSetPeriodicTimer.size);
  if (view === null) return -XEN_EFAULT;
  const periodNs = VcpuSetPeriodicTimer.period_ns.getNumber(view, 0);
  if (periodNs < MIN_PERIOD_NS || periodNs > MAX_PERIOD_NS) return -XEN_EINVAL;
  target.timers.setPeriod(periodNs);
  return 0;
}

/** A time in the past fires at once, and is no error. */
function setSingleshotTimer({ vcpu, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, VcpuSetSingleshotTimer.size);
  if (view === null) return -XEN_EFAULT;
  vcpu.timers.singleshot.set(VcpuSetSingleshotTimer.timeout_abs_ns.getNumber(view, 0));
  return 0;
}

function registerInfo({ mem }: Caller, target: Vcpu, arg: number): number {
  const view = mem.readView(arg, VcpuRegisterVcpuInfo.size);
  if (view === null) return -XEN_EFAULT;
  const gfn = VcpuRegisterVcpuInfo.mfn.getNumber(view, 0);
  return registerVcpuInfo(target, { gfn, offset: VcpuRegisterVcpuInfo.offset.get(view, 0) });
}

function registerTimeArea({ mem }: Caller, target: Vcpu, arg: number): number {
  const va = mem.readU32(arg + VcpuRegisterTimeMemoryArea.addr.offset);
  if (va < 0 || !mem.accessOk(va, VcpuTimeInfo.size)) return -XEN_EFAULT;
  target.timeAreaVa = va;
  updateTimeRecord(target);
  return 0;
}

function registerPhysArea(
  { mem }: Caller,
  arg: number,
  record: { readonly area: GuestArea; readonly size: number; readonly update: () => void },
): number {
  const { addr } = VcpuRegisterTimeMemoryArea;
  const view = mem.readView(arg, VcpuRegisterTimeMemoryArea.size);
  if (view === null) return -XEN_EFAULT;
  const rc = record.area.register(addr.p.getNumber(view, 0), record.size);
  if (rc === 0) record.update();
  return rc;
}

function sendNmi({ machine }: Caller, target: Vcpu, arg: number): number {
  if (arg !== 0) return -XEN_EINVAL;
  if (!target.nmiPending) {
    target.nmiPending = true;
    machine.scheduler.wake(target);
  }
  return 0;
}
