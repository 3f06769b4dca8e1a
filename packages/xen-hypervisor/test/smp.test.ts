import { assemble } from '@domu/testkit';
import {
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_update_va_mapping,
  FLAT_KERNEL_CS,
  MMUEXT_INVLPG_ALL,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_TLB_FLUSH_MULTI,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_runnable,
  SHUTDOWN_poweroff,
  UVMF_ALL,
  UVMF_INVLPG,
  UVMF_TLB_FLUSH,
  VcpuGuestContext,
  VcpuRunstateInfo,
  VGCF_i387_valid,
  VGCF_in_kernel,
  XEN_EEXIST,
  XEN_EINVAL,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { HostClock, initialiseVcpu, Machine, VirtualClock, vcpuContext } from '../src/index.ts';
import { CODE, STACK_TOP, TestGuest } from '../src/testing.ts';

const LAPS = 40;
const DATA = {
  COUNTS: 0x8000,
  PORTS: 0x8040,
  RESULTS: 0x8080,
  DONE: 0x8200,
  SLOT: 0x8204,
  AREA_PTR: 0x8210,
  TSC_BEFORE: 0x8220,
  TSC_AFTER: 0x8228,
  /** One struct vcpu_runstate_info a vCPU, 64 bytes apart: what get_runstate_info said, and what Xen keeps up to date. */
  RUNSTATES: 0x8300,
  AREAS: 0x8600,
  CONTEXTS: 0x3_0000,
  STACKS: 0x2_8000,
  SHARED_INFO: 0x5_0000,
};
const STRIDE = 64;

/** ESI: number of the vCPU; EDI: its vcpu_info. Events come only while a vCPU sleeps in SCHEDOP_block. */
const RING = `
boot:     xor esi, esi
          mov edi, SHARED_INFO
          mov ebp, NR
ports:    dec ebp                       # bind_ipi for every vCPU
          mov [SLOT], ebp
          mov dword ptr [SLOT+4], 0
          mov eax, 32
          mov ebx, 7
          mov ecx, SLOT
          int XEN
          mov ecx, [SLOT+4]
          mov [PORTS+ebp*4], ecx
          test ebp, ebp
          jnz ports
          mov ebp, 1
bring_up: cmp ebp, NR
          je started
          mov edx, ebp
          shl edx, 12
          add edx, CONTEXTS
          mov ebx, 1                    # up, before it is initialised
          call vcpu_op
          mov [RESULTS], eax
          xor ebx, ebx                  # initialise
          call vcpu_op
          mov [RESULTS+4], eax
          xor ebx, ebx
          call vcpu_op
          mov [RESULTS+8], eax
          mov ebx, 3                    # is_up
          call vcpu_op
          mov [RESULTS+12], eax
          mov ebx, 1
          call vcpu_op
          mov [RESULTS+16], eax
          mov ebx, 3
          call vcpu_op
          mov [RESULTS+20], eax
          inc ebp
          jmp bring_up
started:  call register
          call send
lap:      call block
          cmp dword ptr [COUNTS], LAPS
          jbe lap
          mov ebp, 1
wait:     cmp ebp, NR                   # yield until the others are down
          jae alone
          mov eax, 29
          xor ebx, ebx
          int XEN
          mov ebx, 3
          call vcpu_op
          test eax, eax
          jnz wait
          inc ebp
          jmp wait
alone:    rdtsc
          mov [TSC_BEFORE], eax
          xor ebp, ebp
states:   mov edx, ebp
          shl edx, 6
          add edx, RUNSTATES
          mov ebx, 4                    # get_runstate_info
          call vcpu_op
          inc ebp
          cmp ebp, NR
          jb states
          rdtsc
          mov [TSC_AFTER], eax
down:     mov ebp, esi
          mov ebx, 2
          call vcpu_op
          jmp down
second:   call register
sleep:    call block
          cmp dword ptr [DONE], 0
          je sleep
          jmp down
register: mov edx, esi
          shl edx, 6
          add edx, AREAS
          mov [AREA_PTR], edx
          mov edx, AREA_PTR
          mov ebp, esi
          mov ebx, 5                    # register_runstate_memory_area
          call vcpu_op
          ret
vcpu_op:  mov eax, 24                   # command in EBX, vCPU in EBP, argument in EDX
          mov ecx, ebp
          int XEN
          ret
block:    mov eax, 29
          mov ebx, 1
          int XEN
          ret
upcall:   mov byte ptr [edi], 0
          mov dword ptr [edi+4], 0
          mov eax, [PORTS+esi*4]
          btr dword ptr [PENDING], eax
          inc dword ptr [COUNTS+esi*4]
          test esi, esi
          jnz forward
          cmp dword ptr [COUNTS], LAPS
          ja quiet
          jb forward
          mov dword ptr [DONE], 1
forward:  call send
quiet:    iret
send:     lea ecx, [esi+1]
          cmp ecx, NR
          jb 1f
          xor ecx, ecx
1:        push dword ptr [PORTS+ecx*4]
          mov eax, 32
          mov ebx, 4
          mov ecx, esp
          int XEN
          pop eax
          ret
`;

function ring(nrVcpus: number, machine: Machine): TestGuest {
  const symbols = { ...DATA, NR: nrVcpus, LAPS, XEN: 0x82, PENDING: DATA.SHARED_INFO + 0x800 };
  const program = assemble(RING, { origin: CODE, symbols });
  const guest = new TestGuest({ machine, vcpus: nrVcpus });
  guest.load(program.bytes);
  guest.start(program.address('boot'));
  const { domain, vcpu } = guest;
  domain.paging.updateVaMapping(vcpu.rootMfn, DATA.SHARED_INFO, (domain.sharedInfo << 12) | 0x63, 0);
  vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
  vcpu.callbacks.event.address = program.address('upcall');
  for (let id = 1; id < nrVcpus; id++) {
    const context = guest.context(program.address('second'), DATA.STACKS + id * 0x400);
    VcpuGuestContext.user_regs.esi.set(context, 0, id);
    VcpuGuestContext.user_regs.edi.set(context, 0, DATA.SHARED_INFO + id * STRIDE);
    VcpuGuestContext.event_callback_cs.set(context, 0, FLAT_KERNEL_CS);
    VcpuGuestContext.event_callback_eip.set(context, 0, program.address('upcall'));
    VcpuGuestContext.flags.set(context, 0, VGCF_in_kernel);
    guest.load(new Uint8Array(context.buffer), DATA.CONTEXTS + id * 0x1000);
  }
  return guest;
}

function runToEnd(guest: TestGuest): void {
  const deadline = performance.now() + 20_000;
  while (guest.domain.schedulable && performance.now() < deadline) guest.run(100_000);
}

function runstate(guest: TestGuest, va: number): { state: number; times: number[] } {
  const view = guest.vcpu.mem.readView(va, VcpuRunstateInfo.size);
  if (view === null) throw new Error('no runstate there');
  const times = [0, 1, 2, 3].map((i) => VcpuRunstateInfo.time.getNumber(view, 0, i));
  return { state: VcpuRunstateInfo.state.get(view, 0), times };
}

const virtual = new Machine({ memoryMiB: 4, clock: new VirtualClock() });
const host = new Machine({ memoryMiB: 4, clock: new HostClock(() => performance.now() * 1e6, 0) });
afterEach(() => {
  for (const machine of [virtual, host])
    for (const domain of [...machine.domains.values()]) machine.destroyDomain(domain);
});

describe.each([
  { name: 'virtual', machine: virtual },
  { name: 'host', machine: host },
])('a guest of several vCPUs on the $name clock', ({ machine }) => {
  const boot = (nrVcpus: number): TestGuest => {
    const guest = ring(nrVcpus, machine);
    runToEnd(guest);
    return guest;
  };

  it.each([1, 2, 8])('%i vCPUs come up, pass IPIs round, and the last one down powers off', (nrVcpus) => {
    const guest = boot(nrVcpus);
    expect(guest.domain.crash).toBeNull();
    expect(guest.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
    const counts = Array.from({ length: nrVcpus }, (_, i) => guest.read32(DATA.COUNTS + 4 * i));
    expect(counts).toEqual(new Array(nrVcpus).fill(LAPS + 1));
    if (nrVcpus === 1) return;
    const results = Array.from({ length: 6 }, (_, i) => guest.read32(DATA.RESULTS + 4 * i) | 0);
    expect(results).toEqual([-XEN_EINVAL, 0, -XEN_EEXIST, 0, 0, 1]);
  });

  it('the times of every vCPU add up to the time of the machine', () => {
    const startNs = machine.clock.nowNs();
    const guest = ring(8, machine);
    const createdNs = machine.clock.nowNs();
    runToEnd(guest);
    const [before, after] = [DATA.TSC_BEFORE, DATA.TSC_AFTER].map((at) => (guest.read32(at) - startNs) >>> 0);
    for (let id = 0; id < 8; id++) {
      const { times } = runstate(guest, DATA.RUNSTATES + id * STRIDE);
      const total = times.reduce((sum, ns) => sum + ns, 0);
      expect(total).toBeGreaterThan(before - (createdNs - startNs));
      expect(total).toBeLessThanOrEqual(after);
      expect(times[0]).toBeGreaterThan(0);
    }
    const last = runstate(guest, DATA.RUNSTATES + 7 * STRIDE);
    expect(last.state).toBe(RUNSTATE_offline);
    expect(runstate(guest, DATA.AREAS + 7 * STRIDE).state).toBe(RUNSTATE_offline);
  });
});

const YIELD = 'mov eax, 29; xor ebx, ebx; int 0x82';

describe('vCPUs that go down', () => {
  const pair = (code: string): { guest: TestGuest; down: () => void; up: () => void } => {
    const guest = new TestGuest({ machine: virtual, vcpus: 2 });
    const program = assemble(`first: ${YIELD}; jmp first; second: ${code}`, { origin: CODE });
    guest.load(program.bytes);
    guest.start();
    const [, second] = guest.domain.vcpus;
    initialiseVcpu(second, guest.context(program.address('second'), STACK_TOP - 0x1000));
    guest.machine.scheduler.wake(second);
    const op = (cmd: number) => () => {
      const { hypercalls } = guest.machine;
      const binding = hypercalls[24];
      if (binding?.support !== 'absent') binding?.handler(guest.vcpu.caller, cmd, 1, 0, 0, 0);
    };
    return { guest, down: op(2), up: op(1) };
  };

  it('a vCPU that waits for its turn and is taken down is offline', () => {
    const { guest, down, up } = pair(`${YIELD}; jmp second`);
    guest.run(1);
    const { runstate: state } = guest.domain.vcpus[1];
    expect(state.state).toBe(RUNSTATE_runnable);
    down();
    guest.run(100);
    expect(state.state).toBe(RUNSTATE_offline);
    up();
    expect(state.state).toBe(RUNSTATE_runnable);
  });

  it('one that sleeps goes on sleeping after down and up', () => {
    const { guest, down, up } = pair('mov eax, 29; mov ebx, 1; int 0x82; jmp second');
    const [, second] = guest.domain.vcpus;
    guest.run(1000);
    expect(second.blocked).toBe(true);
    down();
    up();
    guest.run(1000);
    expect(second.blocked).toBe(true);
    expect(second.runstate.state).toBe(RUNSTATE_blocked);
  });
});

describe('VCPUOP_initialise', () => {
  it('takes every part of the context, and a snapshot gives it back', () => {
    const guest = new TestGuest({ machine: virtual, vcpus: 2 });
    const context = guest.context(CODE, STACK_TOP);
    const { user_regs: regs, trap_ctxt: traps } = VcpuGuestContext;
    for (const vector of [3, 14, 128, 255]) {
      traps.element.vector.set(context, traps.at(0, vector), vector);
      traps.element.cs.set(context, traps.at(0, vector), FLAT_KERNEL_CS);
      traps.element.flags.set(context, traps.at(0, vector), vector % 4);
      traps.element.address.set(context, traps.at(0, vector), 0x1000 + vector);
    }
    regs.esi.set(context, 0, 0x1234_5678);
    regs.eflags.set(context, 0, 0x1202);
    VcpuGuestContext.event_callback_cs.set(context, 0, FLAT_KERNEL_CS);
    VcpuGuestContext.event_callback_eip.set(context, 0, 0x2000);
    VcpuGuestContext.failsafe_callback_cs.set(context, 0, 1);
    const { fpu_ctxt: fpu, flags } = VcpuGuestContext;
    flags.set(context, 0, flags.get(context, 0) | VGCF_i387_valid);
    context.setUint16(fpu.offset, 0x37f, true);
    context.setUint32(fpu.offset + 24, 0x1f80, true);
    context.setUint32(fpu.offset + 28, 0xffff, true);
    VcpuGuestContext.debugreg.set(context, 0, 6, 0xffff_0ff0);
    VcpuGuestContext.debugreg.set(context, 0, 7, 0x400);
    VcpuGuestContext.ctrlreg.set(context, 0, 0, 0x8005_0033);
    VcpuGuestContext.ctrlreg.set(context, 0, 4, 0x620);
    for (let i = 0; i < traps.length; i++) {
      if (traps.element.cs.get(context, traps.at(0, i)) === 0) {
        traps.element.cs.set(context, traps.at(0, i), 1);
      }
    }
    const [, second] = guest.domain.vcpus;
    expect(initialiseVcpu(second, context)).toBe(0);
    expect(second.traps.address[128]).toBe(0x1080);
    expect(second.traps.cs[14]).toBe(FLAT_KERNEL_CS);
    const got = new Uint8Array(vcpuContext(second).buffer);
    const wanted = new Uint8Array(context.buffer);
    // The mask is Xen's to tell, in the frame; the rest is what was given.
    wanted[regs.saved_upcall_mask.offset] = 1;
    expect([...got]).toEqual([...wanted]);
  });
});

describe('flushes reach the other vCPUs', () => {
  const PAGE = 0x9000;
  const SEEN = 0x8100;
  const MASK = 0x8110;
  const LIST = 0x8120;
  const NEW_PAGE = 0xa000;

  /** vCPU 1 copies the first word of a page to SEEN for ever. */
  function watcher(): { guest: TestGuest; call: (nr: number, ...args: number[]) => number } {
    const source = `loop: mov eax, [${PAGE}]; mov [${SEEN}], eax; ${YIELD}; jmp loop; idle: ${YIELD}; jmp idle`;
    const program = assemble(source, { origin: CODE });
    const guest = new TestGuest({ machine: virtual, vcpus: 2 });
    guest.load(program.bytes);
    guest.start(program.address('idle'));
    const [, second] = guest.domain.vcpus;
    initialiseVcpu(second, guest.context(CODE, STACK_TOP - 0x1000));
    guest.machine.scheduler.wake(second);
    guest.write32(PAGE, 1);
    guest.write32(NEW_PAGE, 2);
    guest.write32(MASK, 0b10);
    const call = (nr: number, ...args: number[]): number => {
      const binding = guest.machine.hypercalls[nr];
      if (binding === undefined || binding.support === 'absent') throw new Error('no such hypercall');
      const [a = 0, b = 0, c = 0, d = 0] = args;
      return binding.handler(guest.vcpu.caller, a, b, c, d, 0);
    };
    guest.run(1000);
    expect(guest.read32(SEEN)).toBe(1);
    return { guest, call };
  }

  const expectSeen = (guest: TestGuest): void => {
    guest.run(1000);
    expect(guest.read32(SEEN)).toBe(2);
  };
  const newEntry = (guest: TestGuest): number => ((guest.p2m[NEW_PAGE >>> 12] << 12) | 0x67) >>> 0;

  it.each([
    ['UVMF_INVLPG | UVMF_ALL', UVMF_INVLPG | UVMF_ALL],
    ['UVMF_TLB_FLUSH | UVMF_ALL', UVMF_TLB_FLUSH | UVMF_ALL],
    ['UVMF_INVLPG and a mask', UVMF_INVLPG | MASK],
    ['UVMF_TLB_FLUSH and a mask', UVMF_TLB_FLUSH | MASK],
  ])('update_va_mapping with %s', (_, flags) => {
    const { guest, call } = watcher();
    expect(call(__HYPERVISOR_update_va_mapping, PAGE, newEntry(guest), 0, flags)).toBe(0);
    expectSeen(guest);
  });

  it.each([
    ['MMUEXT_TLB_FLUSH_MULTI', MMUEXT_TLB_FLUSH_MULTI],
    ['MMUEXT_INVLPG_MULTI', MMUEXT_INVLPG_MULTI],
    ['MMUEXT_TLB_FLUSH_ALL', MMUEXT_TLB_FLUSH_ALL],
    ['MMUEXT_INVLPG_ALL', MMUEXT_INVLPG_ALL],
  ])('mmu_update, then %s', (_, cmd) => {
    const { guest, call } = watcher();
    const ptr = guest.tables[5] * 4096 + (PAGE >>> 12) * 8;
    for (const [i, word] of [ptr, 0, newEntry(guest), 0].entries()) guest.write32(LIST + 4 * i, word);
    expect(call(__HYPERVISOR_mmu_update, LIST, 1, 0, 0x7ff0)).toBe(0);
    for (const [i, word] of [cmd, PAGE, MASK].entries()) guest.write32(LIST + 4 * i, word);
    expect(call(__HYPERVISOR_mmuext_op, LIST, 1, 0, 0x7ff0)).toBe(0);
    expectSeen(guest);
  });

  it('a mask that cannot be read is -EINVAL', () => {
    const { guest, call } = watcher();
    for (const cmd of [MMUEXT_TLB_FLUSH_MULTI, MMUEXT_INVLPG_MULTI]) {
      for (const [i, word] of [cmd, PAGE, 0x40_0000].entries()) guest.write32(LIST + 4 * i, word);
      expect(call(__HYPERVISOR_mmuext_op, LIST, 1, 0, 0x7ff0)).toBe(-XEN_EINVAL);
    }
  });
});
