import { type BlockStore, MemoryBlockStore } from '@domu/backends';
import { guestKernelImage, semihostedKernel } from '@domu/guest-kernel/semihost';
import { GuestHost, type HostedGuest } from '@domu/toolstack';
import { expect, test } from 'vitest';
import { countingKernel } from './kernel.ts';

/** Starts the kernel on a machine of its own and lets it run until nothing happens any more. */
function boot(disk: BlockStore): { guest: HostedGuest; host: GuestHost } {
  const host = new GuestHost({ memoryMiB: 16 });
  const semihost = semihostedKernel(countingKernel);
  const guest = host.start({ kernel: guestKernelImage(), semihost, disks: { xvda: disk } });
  if (!guest.ok) throw new Error(guest.error);
  host.run();
  return { guest: guest.value, host };
}

test('counts its starts on its disk', () => {
  const disk = new MemoryBlockStore(new Uint8Array(4096));
  expect([1, 2, 3].map(() => boot(disk).guest.output)).toEqual(['start 1\n', 'start 2\n', 'start 3\n']);
  expect(disk.bytes[0]).toBe(3);
});

test('says so when its disk is broken, and powers off', () => {
  const broken = new MemoryBlockStore(new Uint8Array(4096));
  broken.read = () => false;
  const { guest } = boot(broken);
  expect([guest.output, guest.fate]).toEqual(['the disk cannot be read\n', 'powered off']);
});

test('gives everything back', () => {
  const { guest, host } = boot(new MemoryBlockStore(new Uint8Array(4096)));
  guest.destroy();
  expect([host.machine.liveGrants, host.machine.domains.size]).toEqual([0, 0]);
});

test('does the same in every run, to the instruction', () => {
  const retired = [1, 2].map(() => boot(new MemoryBlockStore(new Uint8Array(4096))).host.machine.cpu.retired);
  expect(retired[0]).toBe(retired[1]);
});
