import type { SemihostKernel } from '@domu/xen-abi';
import { startInit } from './boot/init.ts';
import { ENTRY_BOOT } from './boot/layout.ts';
import { Kernel, type KernelHost } from './kernel.ts';

/**
 * The kernel for one domain, to be given to whoever runs the domain: it is called at each semihosting instruction of
 * `guestKernelImage`.
 * @returns a function that keeps the whole state of the kernel; make another for another domain, or after a restart
 */
export function createGuestKernel(host: KernelHost): SemihostKernel {
  let kernel: Kernel | null = null;
  return (port, index) => {
    if (index === ENTRY_BOOT) {
      kernel = new Kernel(port, port.regs.esi, host);
      startInit(kernel);
    }
    kernel?.core.enter(index);
  };
}
