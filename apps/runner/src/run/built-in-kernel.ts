import { createGuestKernel, guestKernelImage, userlandArchive } from '@domu/guest-kernel';
import type { Domain } from '@domu/xen-hypervisor';
import type { ClockKind } from './options.ts';

/** What names the built-in kernel where a kernel file could stand. */
export const BUILT_IN_KERNEL = 'guest-kernel';

/** @returns the image of the built-in kernel, as a file would hold it */
export const builtInImage: () => Uint8Array = guestKernelImage;

/** @returns the initramfs that it boots when no other is named: an init, a shell and tools of our own */
export const builtInUserland: () => Uint8Array = () => userlandArchive();

/** Where random numbers come from: under the virtual clock runs must repeat. */
export function randomSource(clock: ClockKind): (into: Uint8Array) => void {
  if (clock === 'host') return (into) => fillRandom(into);
  let state = 0x9e37_79b9;
  return (into) => {
    for (let i = 0; i < into.length; i++) {
      state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x6d2b_79f5) | 0;
      into[i] = (state ^ (state >>> 12)) & 0xff;
    }
  };
}

const MAX_RANDOM = 65_536;

function fillRandom(into: Uint8Array): void {
  for (let at = 0; at < into.length; at += MAX_RANDOM)
    crypto.getRandomValues(into.subarray(at, Math.min(into.length, at + MAX_RANDOM)));
}

/**
 * Gives a domain that was built from `builtInImage` its kernel. A bug of that kernel's ends the domain, not the machine.
 * @param report takes the lines of our own stack
 */
export function attachKernel(
  domain: Domain,
  random: (into: Uint8Array) => void,
  report: (line: string) => void,
): void {
  const kernel = createGuestKernel({ random });
  domain.semihost = (port, index) => {
    try {
      kernel(port, index);
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      for (const line of (stack ?? '').split('\n')) report(line);
      domain.machine.crashDomain(domain, `a bug of the guest kernel: ${message}`);
    }
  };
}
