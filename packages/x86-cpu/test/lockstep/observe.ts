import { Seg } from '../../src/index.ts';
import { S, SEG_BYTES } from '../../src/state.ts';
import type { LockstepMachine } from './machine.ts';

/** Words of the state block that guests can see; arithmetic flags are kept in more than one form there. */
const SEEN: readonly (readonly [name: string, from: number, to: number])[] = [
  ['register', S.regs, S.eip],
  ['eip', S.eip, S.sysFlags],
  ['flags', S.sysFlags, S.result],
  ['segment', S.segs, S.segs + (Seg.GS + 1) * SEG_BYTES],
  ['cr', S.cr0, S.dr],
  ['x87', S.x87, S.fcare],
  ['sse', S.mxcsr, S.fpuEnd],
];

/** @returns how two machines differ, as text; null when they do not */
export function difference(a: LockstepMachine, b: LockstepMachine): string | null {
  const found: string[] = [];
  const [left, right] = [a.cpu.state, b.cpu.state];
  for (const [name, from, to] of SEEN) {
    for (let i = from >> 2; i < to >> 2; i++) {
      if (left[i] !== right[i])
        found.push(`${name} ${i - (from >> 2)}: ${hex(left[i]!)}, not ${hex(right[i]!)}`);
    }
  }
  if (a.cpu.eflags !== b.cpu.eflags) found.push(`eflags: ${hex(a.cpu.eflags)}, not ${hex(b.cpu.eflags)}`);
  if (a.retired !== b.retired) found.push(`retired: ${a.retired}, not ${b.retired}`);
  if (!a.ram.equals(b.ram)) found.push(memoryDifference(a.ram, b.ram));
  return found.length === 0 ? null : found.join('; ');
}

function memoryDifference(a: Buffer, b: Buffer): string {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return `memory from ${hex(at)}: ${a.toString('hex', at, at + 8)}, not ${b.toString('hex', at, at + 8)}`;
}

const hex = (n: number): string => (n >>> 0).toString(16);
