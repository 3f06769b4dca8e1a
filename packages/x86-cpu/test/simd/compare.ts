import type { Row } from '../../src/row.ts';
import { At, type SimdInput, type SimdOutput } from './state.ts';

const OF_FLAGS = 0x8d5;
const word = (s: Uint8Array, at: number): number => new DataView(s.buffer, s.byteOffset).getUint32(at, true);

const REGIONS = [
  ['registers', At.regs, 32],
  ['mxcsr', At.mxcsr, 4],
  ['mmx', At.mm, 64],
  ['xmm', At.xmm, 128],
  ['memory', At.memory, 64],
] as const;

/** @returns what differs, by name; empty when the emulated CPU did what the host did */
export function differences(_row: Row, host: SimdOutput, ours: SimdOutput): string[] {
  const found: string[] = [];
  for (const [name, at, length] of REGIONS) {
    for (let i = at; i < at + length; i++) {
      if (host.state[i] === ours.state[i]) continue;
      found.push(name);
      break;
    }
  }
  if ((word(host.state, At.eflags) ^ word(ours.state, At.eflags)) & OF_FLAGS) found.push('eflags');
  if (host.vector !== ours.vector) found.push(`vector ${host.vector}, not ${ours.vector}`);
  if (host.vector < 0 && host.tags !== ours.tags) found.push(`tags ${host.tags}, not ${ours.tags}`);
  if (host.cr2 !== ours.cr2) found.push(`cr2 ${host.cr2.toString(16)}, not ${ours.cr2.toString(16)}`);
  return found;
}

const hex = (s: Uint8Array, at: number, length: number): string =>
  Buffer.from(s.subarray(at, at + length))
    .toString('hex')
    .replace(/(.{16})/g, '$1 ');

/** What one vector looked like, for a failing test's message. */
export function describe(input: SimdInput, host: SimdOutput, ours: SimdOutput): string {
  const lines = [`code ${Buffer.from(input.code).toString('hex')} address ${input.address.toString(16)}`];
  for (const [name, s] of [
    ['in', input.state],
    ['host', host.state],
    ['ours', ours.state],
  ] as const) {
    lines.push(
      `${name.padEnd(4)} mxcsr ${word(s, At.mxcsr).toString(16)} eflags ${word(s, At.eflags).toString(16)}`,
    );
    lines.push(`  regs ${hex(s, At.regs, 32)}`);
    for (const [label, at, length] of [
      ['mm', At.mm, 64],
      ['xmm', At.xmm, 128],
      ['mem', At.memory, 64],
    ] as const) {
      const same =
        name !== 'in' &&
        Buffer.compare(s.subarray(at, at + length), input.state.subarray(at, at + length)) === 0;
      if (!same) lines.push(`  ${label} ${hex(s, at, length)}`);
    }
  }
  return lines.join('\n');
}
