import { VMASST_CMD_disable, VMASST_CMD_enable, XEN_EINVAL, XEN_ENOSYS } from '@domu/xen-abi';
import type { Caller } from '../caller.ts';

/**
 * HYPERVISOR_vm_assist: switches an optional behaviour on or off for the calling domain.
 * @returns 0; -EINVAL unknown type, -ENOSYS unknown command
 * Source: xen/common/kernel.c, "vm_assist" @ RELEASE-4.18.0
 */
export function vmAssist(caller: Caller, cmd: number, type: number): number {
  if (type > caller.domain.release.highestVmAssist) return -XEN_EINVAL;
  switch (cmd) {
    case VMASST_CMD_enable:
      caller.domain.vmAssist |= 1 << type;
      return 0;
    case VMASST_CMD_disable:
      caller.domain.vmAssist &= ~(1 << type);
      return 0;
    default:
      return -XEN_ENOSYS;
  }
}
