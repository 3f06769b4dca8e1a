import { assemble } from '@domu/testkit';
import { FLAT_KERNEL_CS, FLAT_RING3_CS, FLAT_RING3_SS } from '@domu/xen-abi';
import { HostClock, initialiseVcpu, Machine } from '@domu/xen-hypervisor';
import { CODE, TestGuest } from '../src/testing.ts';

/** Where a guest counts how often it has done what is measured. */
const COUNT = 0x8000;
const NOT_MAPPED = 0x30_0000;
const SHARED_INFO = 0x5_0000;
const VCPU_INFO_BYTES = 64;
const SECOND_STACK = 0x1_8000;
const MEMORY_MIB = 4;
const PTE_RW = 0x63;
const VECTOR_PF = 14;
const VECTOR_SYSTEM_CALL = 0x80;
const DPL_USER = 3;

export type Engine = 'interpreter' | 'jit';

/** A guest that does one thing for ever. */
export interface Workload {
  readonly name: string;
  /** What one is to cost at most on the reference machine. */
  readonly targetNs: number;
  /** How often the guest counts while it does its thing once. */
  readonly countsEach: number;
  readonly boot: (engine: Engine) => TestGuest;
}

/** What a guest has counted so far; wraps at 2^32. */
export const countOf = (guest: TestGuest): number => guest.read32(COUNT);

const NULL_CALL = `
loop:   mov eax, 17                     # xen_version, XENVER_version
        xor ebx, ebx
        xor ecx, ecx
        int XEN
        inc dword ptr [COUNT]
        jmp loop
`;

const PAGE_FAULT = `
loop:   mov eax, [NOT_MAPPED]
next:   inc dword ptr [COUNT]
        jmp loop
fault:  add esp, 4
        mov dword ptr [esp], offset next
        iret
`;

const SYSTEM_CALL = `
        mov eax, USER_SS
        mov ds, eax
        mov es, eax
        push USER_SS
        push SECOND_STACK
        push 0x202
        push USER_CS
        push offset loop
        iret
loop:   int 0x80
        inc dword ptr [COUNT]
        jmp loop
        .balign 4096
call:   iret
`;

/** Each of two vCPUs sleeps until the other sends, and sends back. ESI: the port to send to; EDI: its own vcpu_info. */
const ROUND_TRIP = `
first:  call send
sleep:  mov eax, 29                     # sched_op, SCHEDOP_block
        mov ebx, 1
        int XEN
        jmp sleep
upcall: mov byte ptr [edi], 0           # upcall_pending
        mov dword ptr [edi+4], 0        # pending_sel
        mov dword ptr [PENDING], 0
        inc dword ptr [COUNT]
        call send
        iret
send:   push esi
        mov eax, 32                     # event_channel_op, EVTCHNOP_send
        mov ebx, 4
        mov ecx, esp
        int XEN
        pop esi
        ret
`;

function assembleGuest(source: string): ReturnType<typeof assemble> {
  return assemble(source, {
    origin: CODE,
    symbols: {
      COUNT,
      NOT_MAPPED,
      SECOND_STACK,
      PENDING: SHARED_INFO + 0x800,
      USER_CS: FLAT_RING3_CS,
      USER_SS: FLAT_RING3_SS,
      XEN: 0x82,
    },
  });
}

function newGuest(vcpus: number, engine: Engine): TestGuest {
  const clock = new HostClock(() => performance.now() * 1e6, 0);
  return new TestGuest({ machine: new Machine({ memoryMiB: MEMORY_MIB, clock, engine }), vcpus });
}

function boot(
  source: string,
  engine: Engine,
  handler?: { readonly vector: number; readonly label: string },
): TestGuest {
  const program = assembleGuest(source);
  const guest = newGuest(1, engine);
  guest.load(program.bytes);
  guest.start();
  if (handler) guest.vcpu.traps.set(handler.vector, FLAT_KERNEL_CS, program.address(handler.label), DPL_USER);
  return guest;
}

function bootPair(engine: Engine): TestGuest {
  const program = assembleGuest(ROUND_TRIP);
  const guest = newGuest(2, engine);
  const { domain } = guest;
  const [first, second] = domain.vcpus;
  guest.load(program.bytes);
  guest.start(program.address('first'));
  initialiseVcpu(second, guest.context(program.address('sleep'), SECOND_STACK));
  domain.paging.updateVaMapping(first.rootMfn, SHARED_INFO, (domain.sharedInfo << 12) | PTE_RW, 0);
  const ports = domain.vcpus.map(({ id }) => domain.evtchn.bindIpi(id));
  for (const vcpu of domain.vcpus) {
    vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
    vcpu.callbacks.event.address = program.address('upcall');
    guest.machine.withRegisters(vcpu, (cpu) => {
      cpu.regs[6] = ports[1 - vcpu.id];
      cpu.regs[7] = SHARED_INFO + vcpu.id * VCPU_INFO_BYTES;
    });
  }
  guest.machine.scheduler.wake(second);
  return guest;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'null hypercall', targetNs: 150, countsEach: 1, boot: (engine) => boot(NULL_CALL, engine) },
  { name: 'event round trip, two vCPUs', targetNs: 5000, countsEach: 2, boot: bootPair },
  {
    name: 'page fault to ring 1 and back',
    targetNs: 1000,
    countsEach: 1,
    boot: (engine) => boot(PAGE_FAULT, engine, { vector: VECTOR_PF, label: 'fault' }),
  },
  {
    name: 'int 0x80, ring 3 to 1 and back',
    targetNs: 300,
    countsEach: 1,
    boot: (engine) => boot(SYSTEM_CALL, engine, { vector: VECTOR_SYSTEM_CALL, label: 'call' }),
  },
];
