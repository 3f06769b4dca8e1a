import { createGuestKernel, guestKernelImage } from '@domu/guest-kernel';
import { buildDomain, loadKernel, pagingModeOf, planDomain } from '@domu/toolstack';
import { __HYPERVISOR_iret, __HYPERVISOR_sched_op, type GuestPort } from '@domu/xen-abi';
import { Machine, VirtualClock } from '@domu/xen-hypervisor';
import { expect, test } from 'vitest';
import { cpio, POWER_OFF, sys, userProgram } from './user-program.ts';

/** All that GuestPort promises; `satisfies` keeps the list whole. */
const MEMBERS: readonly string[] = Object.keys({
  ...{ regs: 0, fault: 0, read8: 0, read16: 0, read32: 0, write8: 0, write16: 0, write32: 0 },
  ...{ readBytes: 0, writeBytes: 0, compareExchange32: 0, hypercall: 0 },
} satisfies Record<keyof GuestPort, 0>);
/** The image's own machine code waits (sched_op) and returns to programs (iret). */
const BY_STUBS: readonly number[] = [__HYPERVISOR_iret, __HYPERVISOR_sched_op];
const FORK = 2;
const WAIT4 = 114;
const NANOSLEEP = 162;
const CONSOLE_OUT = 1024;

/** A port with nothing but what the interface has, which notes every hypercall. */
function recorderOf(port: GuestPort, calls: number[]): GuestPort {
  const own: Record<string, unknown> = {};
  for (const name of MEMBERS) {
    const value = port[name as keyof GuestPort];
    own[name] = typeof value === 'function' ? value.bind(port) : value;
  }
  const recorder = own as unknown as GuestPort;
  recorder.hypercall = (nr, ...args) => {
    calls[nr] = (calls[nr] ?? 0) + 1;
    return port.hypercall(nr, ...args);
  };
  return Object.freeze(recorder);
}

test('a kernel that is given a recording port in place of the real one works, and calls the hypervisor in no other way', () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jz child
    ${sys(WAIT4, -1, 0, 0, 0)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
child:
    ${sys(NANOSLEEP, 'offset time', 0)}
    ${sys(1, 0)}
fine: .asciz "fine\\n"
    .balign 4
time: .long 0, 1000000
`);
  const kernel = loadKernel(guestKernelImage());
  if (!kernel.ok) throw new Error(kernel.error);
  const input = {
    kernel: kernel.value,
    ramdisk: cpio({ 'dev/': new Uint8Array(0), init }),
    cmdline: new TextEncoder().encode('quiet'),
    memoryMiB: 16,
  };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const machine = new Machine({ memoryMiB: 24, clock: new VirtualClock(), engine: 'interpreter' });
  const domain = machine.createDomain({
    maxPages: 4096,
    mode: pagingModeOf(kernel.value),
    translated: kernel.value.translated,
  });
  const built = buildDomain(domain, layout.value, input);
  if (!built.ok) throw new Error(built.error);

  const calls: number[] = [];
  let recorder: GuestPort | null = null;
  const entries = createGuestKernel({ random: (into) => into.fill(7) });
  domain.semihost = (port, index) => {
    recorder ??= recorderOf(port, calls);
    entries(recorder, index);
  };
  let code = -1;
  domain.onShutdown = (reason) => {
    code = reason;
  };
  domain.unpause();
  for (let slice = 0; slice < 1000 && machine.run(1_000_000).state !== 'stopped'; slice++)
    if (code >= 0) break;

  const page = machine.memory.u8.subarray(built.value.console.mfn * 4096);
  const text = new TextDecoder().decode(page.subarray(CONSOLE_OUT, CONSOLE_OUT + 6));
  expect([code, text]).toEqual([0, 'fine\r\n']);
  const counted = [...machine.counters.hypercalls];
  const noted = counted.map((_, nr) => calls[nr] ?? 0);
  for (const nr of BY_STUBS) counted[nr] = noted[nr] ?? 0;
  expect(noted).toEqual(counted);
  expect(noted.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(10);
});
