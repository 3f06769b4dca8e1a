import { Exit, Reg, Vector } from '@domu/x86-cpu';
import { expect, test } from 'vitest';
import { assemble } from './asm/assembler.ts';
import { FlatMachine } from './flat-machine.ts';

const BUDGET = 10_000;

test('an assembled program runs until it asks for something', () => {
  const machine = new FlatMachine();
  machine.load(
    assemble(
      `       mov ecx, 10
       1:      add eax, ecx
               loop 1b
               push eax
               call double
               mov [result], eax
               int 0x80
       double: mov eax, [esp+4]
               add eax, eax
               ret 4
       result: .long 0`,
      { origin: 0x1000 },
    ),
  );
  expect(machine.cpu.run(BUDGET)).toBe(Exit.Interrupt);
  expect(machine.cpu.exit.vector).toBe(0x80);
  expect(machine.cpu.regs[Reg.EAX]).toBe(110);
  expect(machine.cpu.regs[Reg.ESP]).toBe(machine.ram.length);
});

test.each([1, 3])('memory ends where it ends, at privilege level %i', (cpl) => {
  const machine = new FlatMachine({ cpl, ramBytes: 0x2000 });
  machine.load(assemble('mov byte ptr [0x2000], 1'));
  expect(machine.cpu.run(BUDGET)).toBe(Exit.Fault);
  expect(machine.cpu.exit).toMatchObject({ vector: Vector.PF, errorCode: cpl === 3 ? 6 : 2, cr2: 0x2000 });
  expect(machine.cpu.eip).toBe(0);
});

test('parts of the bus can be replaced', () => {
  const machine = new FlatMachine({ bus: { rdtsc: () => 2 ** 32 + 5 } });
  machine.load(assemble('rdtsc; int 0x80'));
  machine.cpu.run(BUDGET);
  expect([machine.cpu.regs[Reg.EAX], machine.cpu.regs[Reg.EDX]]).toEqual([5, 1]);
});
