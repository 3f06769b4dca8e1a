import { expect, test } from 'vitest';
import { CODE_BASE, DATA_END } from '../test/record/layout.ts';
import type { VectorInput } from '../test/record/vector.ts';
import { VectorMachine } from '../test/vector-machine.ts';
import { Reg } from './names.ts';

/** Nothing is mapped there. */
const [SOURCE, DESTINATION] = [DATA_END + 3, DATA_END + 2];
const ECX = 3;

function missing(machine: VectorMachine, code: readonly number[]): string {
  const regs = new Array<number>(8).fill(0);
  [regs[Reg.ECX], regs[Reg.ESI], regs[Reg.EDI]] = [ECX, SOURCE, DESTINATION];
  const input: VectorInput = {
    regs,
    eip: CODE_BASE,
    eflags: 0x202,
    segments: { cs: 0x23, ss: 0x2b, fs: 0 },
    maxSteps: 1,
    patches: [{ address: CODE_BASE, bytes: code }],
    code,
  };
  const missed = { ...input, selectors: [], vector: 14, errorCode: 4, cr2: 0, steps: 0, changes: [] };
  const { cr2 } = machine.run(input, missed);
  return cr2 === SOURCE ? 'source' : cr2 === DESTINATION ? 'destination' : `${cr2}`;
}

// Asked of an AMD processor, iterations later than the first as well.
test.each([
  [[0xa6], 'destination'],
  [[0xa7], 'destination'],
  [[0xf3, 0xa6], 'source'],
  [[0xf2, 0xa6], 'destination'],
  [[0xf3, 0xa7], 'destination'],
  [[0xf3, 0x66, 0xa7], 'destination'],
])('CMPS %j with neither operand there faults for the %s', (code, first) => {
  for (const forceGeneric of [true, false]) {
    const machine = new VectorMachine();
    machine.cpu.forceGeneric = forceGeneric;
    expect(missing(machine, code)).toBe(first);
  }
});
