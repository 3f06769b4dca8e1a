import { assemble } from '@domu/testkit';
import { Seg } from '@domu/x86-cpu';
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  FLAT_USER_CS,
  FLAT_USER_DS,
  FLAT_USER_SS,
  TI_IF,
  VMASST_TYPE_architectural_iopl,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '../clock.ts';
import { Machine } from '../machine.ts';
import { CallBench, CallingGuest, CODE, DATA, SPIN, STACK_TOP } from '../testing.ts';
import { VECTOR_DB, VECTOR_GP, VECTOR_INT80 } from './vectors.ts';

const HANDLER = 0x11000;
const FAULTED = 0x13000;
const USER_CODE = 0x12000;
const USER_STACK = 0x18000;
const DPL_3 = 3;
const ROUNDS = 6;
/** Enough for the compiler to take notice. */
const MANY_ROUNDS = 4000;
const MANY_INSTRUCTIONS = 200_000;
const STACK_WORDS = 32;
const FLAGS = {
  carry: 1,
  trap: 0x100,
  interrupt: 0x200,
  direction: 0x400,
  nested: 0x4000,
  alignment: 0x40000,
};

interface Case {
  readonly name: string;
  readonly eflags?: number;
  readonly kernelSp?: number;
  readonly kernelSs?: number;
  readonly cs?: number;
  readonly masks?: boolean;
  readonly masked?: boolean;
  readonly pending?: boolean;
  readonly viopl?: number;
  /** What the handler does to the frame before it returns. */
  readonly handler?: string;
  /** What the program does before each call. */
  readonly program?: string;
}

const CASES: readonly Case[] = [
  { name: 'as it mostly is' },
  { name: 'with arithmetic flags', program: 'mov eax, 0x7fffffff\n add eax, 1' },
  { name: 'with DF and IF set', eflags: FLAGS.direction | FLAGS.interrupt | FLAGS.carry },
  { name: 'with AC set', eflags: FLAGS.alignment },
  { name: 'single-stepped', eflags: FLAGS.trap },
  { name: 'with NT set', eflags: FLAGS.nested },
  { name: 'through a gate that masks events', masks: true },
  { name: 'with events masked', masked: true },
  { name: 'with an event that waits', pending: true },
  { name: 'with IOPL shown', viopl: 3 },
  { name: 'with a kernel stack that lies across pages', kernelSp: STACK_TOP - 0x1000 + 8 },
  { name: 'with a kernel stack that is not mapped', kernelSp: 0x40_0000 },
  { name: 'with a kernel stack that cannot be loaded', kernelSs: FLAT_USER_SS },
  { name: 'with a code segment of level 3', cs: FLAT_USER_CS },
  { name: 'without a handler', cs: 0 },
  { name: 'with a handler that sets flags', handler: 'or dword ptr [esp+8], 0x4d5' },
  { name: 'with a handler that wants to set IF and IOPL', handler: 'or dword ptr [esp+8], 0x3200' },
  {
    name: 'with a handler that returns within the kernel',
    handler: 'push 0x202\n push KERNEL_CS\n push offset next\n iret\nnext:',
  },
  { name: 'with a handler that sets NT itself', handler: 'pushf\n or dword ptr [esp], 0x4000\n popf' },
  { name: 'with a return to a stack of another level', handler: 'mov dword ptr [esp+16], KERNEL_SS' },
  { name: 'with a return to a segment that is none', handler: 'mov dword ptr [esp+4], 0x33' },
  { name: 'with kernel data segments left behind', handler: 'mov eax, KERNEL_DS\n mov fs, ax\n mov gs, ax' },
  { name: 'with null segments', program: 'xor eax, eax\n mov gs, ax\n inc eax\n mov fs, ax' },
  { name: 'with null ES', program: 'xor eax, eax\n mov es, ax' },
  { name: 'with null SS in the handler', handler: 'xor eax, eax\n mov ss, ax' },
];

const bench = new CallBench();
afterEach(() => bench.clear());

interface Setting {
  /** As the CPU does it by itself when it can. */
  readonly straight: boolean;
  /** A machine with the compiler, for many rounds. */
  readonly compiling?: Machine;
}

function programFor({ program = '' }: Case): string {
  return `again: ${program}\n int 0x80\n dec dword ptr [COUNT]\n jnz again\n end: jmp end`;
}

const handlerFor = ({ handler = '' }: Case): string =>
  `push es\n push ds\n pusha\n mov eax, KERNEL_DS\n mov ds, eax\n mov es, eax\n popa\n pop ds\n pop es\n ${handler}\n iret`;

/** Runs a case, and takes down all that it leaves. */
function outcome(
  test: Case,
  { straight, compiling }: Setting,
): { seen: unknown; calls: number; exits: number } {
  const guest = compiling ? new CallingGuest({ machine: compiling }) : bench.guest();
  const { machine, vcpu, domain } = guest;
  const { bus } = machine;
  const before = machine.counters.traps[VECTOR_INT80];
  const symbols = {
    COUNT: DATA,
    KERNEL_CS: FLAT_KERNEL_CS,
    KERNEL_DS: FLAT_KERNEL_DS,
    KERNEL_SS: FLAT_KERNEL_SS,
  };
  const put = (source: string, origin: number): void =>
    guest.load(assemble(source, { origin, symbols }).bytes, origin);
  put(programFor(test), USER_CODE);
  put(handlerFor(test), HANDLER);
  guest.load(SPIN, FAULTED);
  guest.write32(DATA, compiling ? MANY_ROUNDS : ROUNDS);
  for (const vector of [VECTOR_GP, VECTOR_DB]) vcpu.traps.set(vector, FLAT_KERNEL_CS, FAULTED, 0);
  vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
  vcpu.callbacks.event.address = FAULTED;
  vcpu.traps.set(VECTOR_INT80, test.cs ?? FLAT_KERNEL_CS, HANDLER, DPL_3 | (test.masks ? TI_IF : 0));
  vcpu.kernelSp = test.kernelSp ?? STACK_TOP;
  vcpu.kernelSs = test.kernelSs ?? FLAT_KERNEL_SS;
  vcpu.upcallMask = test.masked === true || test.pending === true;
  if (test.viopl !== undefined) {
    domain.vmAssist = 1 << VMASST_TYPE_architectural_iopl;
    vcpu.viopl = test.viopl;
  }
  enterUser(guest, test.eflags ?? 0);
  if (!straight) bus.descriptorAddress = () => -2;
  const run = vi.spyOn(machine.cpu, 'run');
  guest.run(100);
  if (test.pending) vcpu.upcallPending = true;
  if (test.pending) vcpu.upcallMask = false;
  guest.run(compiling ? MANY_INSTRUCTIONS : 1000);
  Reflect.deleteProperty(bus, 'descriptorAddress');
  const exits = run.mock.calls.length;
  run.mockRestore();
  const seen = snapshot(guest);
  machine.destroyDomain(domain);
  return { seen, calls: machine.counters.traps[VECTOR_INT80] - before, exits };
}

/** Ring 3 by an IRET frame on the kernel's stack. */
function enterUser(guest: CallingGuest, eflags: number): void {
  const frame = [USER_CODE, FLAT_USER_CS, eflags | 2, USER_STACK, FLAT_USER_SS];
  guest.writeWords(frame, STACK_TOP - 0x100);
  const source = `mov ecx, ${FLAT_USER_DS}\n mov ds, cx\n mov es, cx\n mov fs, cx\n mov gs, cx\n mov esp, ${STACK_TOP - 0x100}\n iret`;
  guest.load(assemble(source, { origin: CODE }).bytes, CODE);
}

function snapshot(guest: CallingGuest): unknown {
  const { machine, vcpu, domain } = guest;
  return machine.withRegisters(vcpu, (cpu) => ({
    regs: [...cpu.regs],
    eip: cpu.eip,
    eflags: cpu.eflags,
    cpl: cpu.cpl,
    segments: Object.values(Seg).map((i) => [
      cpu.seg.selector(i),
      cpu.seg.base(i),
      cpu.seg.limit(i),
      cpu.seg.attr(i),
    ]),
    flat: cpu.seg.isFlat(),
    stack: guest.readWords(STACK_WORDS, STACK_TOP - 4 * STACK_WORDS),
    count: guest.read32(DATA),
    mask: vcpu.upcallMask,
    crash: domain.crash?.reason,
  }));
}

describe('int 0x80 and IRET without leaving the CPU leave what they leave otherwise', () => {
  for (const test of CASES)
    it(test.name, () => {
      const straight = outcome(test, { straight: true });
      const general = outcome(test, { straight: false });
      expect(straight.seen).toEqual(general.seen);
      expect(straight.calls).toBe(general.calls);
    });

  it('nor does compiled code differ', () => {
    const compiling = new Machine({ memoryMiB: 4, clock: new VirtualClock(), engine: 'jit' });
    for (const test of CASES.filter(
      ({ handler, program }) => handler !== undefined || program !== undefined,
    )) {
      const straight = outcome(test, { straight: true, compiling });
      const general = outcome(test, { straight: false, compiling });
      expect(straight.seen, test.name).toEqual(general.seen);
      expect(straight.calls, test.name).toBe(general.calls);
    }
  });

  it('and it does not leave the CPU but for the first call', () => {
    const straight = outcome({ name: 'plain' }, { straight: true });
    const general = outcome({ name: 'plain' }, { straight: false });
    expect(general.exits - straight.exits).toBe(ROUNDS - 1);
  });
});
