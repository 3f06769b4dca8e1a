import { MemoryBlockStore } from '@domu/backends';
import { Blkfront } from '@domu/blkfront';
import { guestKernelImage, type SemihostedGuest, semihostedKernel } from '@domu/guest-kernel/semihost';
import { testKernel } from '@domu/testkit';
import { GuestHost, type GuestOptions, type HostedGuest } from '@domu/toolstack';
import { BLKIF_RSP_OKAY } from '@domu/xen-abi';
import { beforeEach, expect, test } from 'vitest';

let host: GuestHost;

function start(main: (guest: SemihostedGuest) => void, options: Partial<GuestOptions> = {}): HostedGuest {
  const started = host.start({ kernel: guestKernelImage(), semihost: semihostedKernel(main), ...options });
  if (!started.ok) throw new Error(started.error);
  return started.value;
}

beforeEach(() => {
  host = new GuestHost({ memoryMiB: 32 });
});

test('a guest prints, reads what is typed, waits for a timer, and powers off', () => {
  const guest = start(
    (os) => {
      os.print(`hello, ${os.commandLine}\n`);
      os.console.onReadable = () => {
        const typed = new Uint8Array(16);
        const line = new TextDecoder().decode(typed.subarray(0, os.console.read(typed)));
        os.after(2e9, () => {
          os.print(`${line} at ${Math.floor(os.nowNs / 1e9)} s\n`);
          os.shutdown();
        });
      };
    },
    { cmdline: 'who=world' },
  );
  expect([host.run(), guest.fate]).toEqual(['idle', 'running']);
  guest.type('typed');
  expect([host.run(), guest.fate]).toEqual(['stopped', 'powered off']);
  expect(guest.output).toBe('hello, who=world\ntyped at 2 s\n');
});

test('a guest writes to its disk, and leaves nothing in the machine when it is destroyed', () => {
  const free = host.machine.frames.freeFrames;
  const disk = new MemoryBlockStore(new Uint8Array(8192));
  const guest = start(
    (os) => {
      const path = 'device/vbd/51712';
      const onChange = (): void =>
        front.write(1, new Uint8Array(512).fill(7), (status) =>
          os.shutdown(status === BLKIF_RSP_OKAY ? 0 : 1),
        );
      const front = new Blkfront({ ...os, path, onChange });
    },
    { disks: { xvda: disk } },
  );
  host.run();
  expect([guest.fate, disk.bytes[511], disk.bytes[512], disk.bytes[1024]]).toEqual(['powered off', 0, 7, 0]);
  guest.destroy();
  expect([host.machine.frames.freeFrames, host.machine.liveGrants]).toEqual([free, 0]);
  expect(host.store.directory('/local/domain')).not.toContain('1');
});

test('a kernel that crashes says why, and the host goes on', () => {
  const crashing = host.start({ kernel: testKernel() });
  if (!crashing.ok) throw new Error(crashing.error);
  const guest = start((os) => os.shutdown());
  host.run();
  expect(crashing.value.fate).toMatch(/^crashed: /);
  expect(guest.fate).toBe('powered off');
});

test('what cannot be started is refused in one line, and leaves nothing', () => {
  const free = host.machine.frames.freeFrames;
  const refused = [
    host.start({ kernel: new Uint8Array(10) }),
    host.start({ kernel: guestKernelImage(), memoryMiB: 1000 }),
    host.start({ kernel: guestKernelImage(), disks: { foo: new MemoryBlockStore(new Uint8Array(512)) } }),
  ];
  for (const result of refused) expect(result.ok ? '' : result.error).toMatch(/^[^\n]+$/);
  expect([host.machine.frames.freeFrames, host.machine.domains.size]).toEqual([free, 0]);
});

test('run ends at a condition and at its limit', () => {
  const guest = start((os) => {
    const tick = (): void => {
      os.print('.');
      os.after(1e6, tick);
    };
    tick();
  });
  expect(host.run({ until: () => guest.output.length >= 3 })).toBe('until');
  expect(host.run({ maxInstructions: 100_000 })).toBe('limit');
  expect(guest.running).toBe(true);
});
