import { createGuestKernel, guestKernelImage } from '@domu/guest-kernel';
import { buildDomain, loadKernel, planDomain } from '@domu/toolstack';
import { type GuestPort, HYPERCALL_NAMES, SHUTDOWN_poweroff } from '@domu/xen-abi';
import { Machine, VirtualClock } from '@domu/xen-hypervisor';
import { expect, test } from 'vitest';
import { cpio, POWER_OFF, sys, userProgram } from './user-program.ts';

const MEMORY_MIB = 16;
const FORK = 2;
const WAIT4 = 114;
const EXIT = 1;

/** All that a kernel may do with its port. */
const METHODS = [
  ...['read8', 'read16', 'read32', 'write8', 'write16', 'write32'],
  ...['readBytes', 'writeBytes', 'compareExchange32', 'hypercall'],
] as const satisfies readonly (keyof GuestPort)[];

/** A port of its own that has nothing but the interface, and notes which hypercalls are made. */
function recording(port: GuestPort, hypercalls: Set<string>): GuestPort {
  const only: Record<string, unknown> = { regs: port.regs, fault: port.fault };
  for (const name of METHODS) {
    only[name] = (...args: number[]) => {
      if (name === 'hypercall') hypercalls.add(HYPERCALL_NAMES[args[0]] ?? `${args[0]}`);
      return (port[name] as (...args: unknown[]) => unknown).apply(port, args);
    };
  }
  return Object.freeze(only) as unknown as GuestPort;
}

test('the kernel needs nothing but a GuestPort, and makes the hypercalls of an unprivileged translated guest', () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jz 1f
    ${sys(WAIT4, -1, 0, 0, 0)}
    ${POWER_OFF}
1:  .byte 0xd9, 0xe8                # fld1
    ${sys(EXIT, 0)}`);
  const kernel = loadKernel(guestKernelImage());
  if (!kernel.ok) throw new Error(kernel.error);
  const ramdisk = cpio({ init });
  const input = { kernel: kernel.value, ramdisk, cmdline: new Uint8Array(0), memoryMiB: MEMORY_MIB };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const machine = new Machine({ memoryMiB: MEMORY_MIB + 8, clock: new VirtualClock() });
  const domain = machine.createDomain({ maxPages: MEMORY_MIB * 256, mode: 'classic', translated: true });
  const built = buildDomain(domain, layout.value, input);
  expect(built.ok).toBe(true);
  const hypercalls = new Set<string>();
  const guest = createGuestKernel({ random: (into) => into.fill(7) });
  let recorder: GuestPort | null = null;
  domain.semihost = (port, index) => {
    recorder ??= recording(port, hypercalls);
    guest(recorder, index);
  };
  domain.unpause();
  for (let i = 0; i < 1000 && domain.state.state === 'running'; i++) machine.run(100_000);
  expect(domain.crash).toBeNull();
  expect(domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
  expect([...hypercalls].sort()).toEqual([
    'event_channel_op',
    'fpu_taskswitch',
    'iret',
    'mmuext_op',
    'sched_op',
    'set_callbacks',
    'set_gdt',
    'set_timer_op',
    'set_trap_table',
    'stack_switch',
    'vcpu_op',
  ]);
});
