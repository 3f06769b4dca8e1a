import { expect, it } from 'vitest';
import { VDSO_ENTRY, VDSO_RECORD, vdsoPage, vdsoRecord } from './vdso-image.ts';

const page = vdsoPage();
const view = new DataView(page.buffer);
const word = (at: number): number => view.getUint32(at, true);
const half = (at: number): number => view.getUint16(at, true);

function text(at: number): string {
  return String.fromCharCode(...page.subarray(at, page.indexOf(0, at)));
}

/** Values of the dynamic section by tag. */
function dynamicSection(): Map<number, number> {
  const header = word(28) + 32;
  expect(word(header)).toBe(2);
  const found = new Map<number, number>();
  for (let at = word(header + 4); word(at) !== 0; at += 8) found.set(word(at), word(at + 4));
  return found;
}

/** Versions by index, as Go's runtime walks them: it trusts that there are some. */
function versions(dynamic: Map<number, number>): Map<number, string> {
  const found = new Map<number, string>();
  let at = dynamic.get(0x6fff_fffc)!;
  for (;;) {
    found.set(half(at + 4), text(dynamic.get(5)! + word(at + word(at + 12))));
    if (word(at + 16) === 0) return found;
    at += word(at + 16);
  }
}

it('is a shared object whose functions are found by hash, name and version', () => {
  const dynamic = dynamicSection();
  const [hash, strings, symbols] = [4, 5, 6].map((tag) => dynamic.get(tag)!);
  expect(versions(dynamic)).toEqual(
    new Map([
      [1, 'linux-gate.so.1'],
      [2, 'LINUX_2.6'],
    ]),
  );
  const found = new Map<string, number>();
  for (let i = word(hash! + 8); i !== 0; i = word(hash! + 12 + 4 * i)) {
    expect(half(dynamic.get(0x6fff_fff0)! + 2 * i)).toBe(2);
    found.set(text(strings! + word(symbols! + 16 * i)), word(symbols! + 16 * i + 4));
  }
  const names = ['__vdso_clock_gettime64', '__vdso_clock_gettime', '__vdso_gettimeofday', '__vdso_time'];
  expect([...found.keys()]).toEqual(['__kernel_vsyscall', ...names]);
  expect(found.get('__kernel_vsyscall')).toBe(VDSO_ENTRY);
  expect(word(24)).toBe(VDSO_ENTRY);
  // The tables do not run into the code, nor that into the record.
  expect(strings! + dynamic.get(10)!).toBeLessThanOrEqual(VDSO_ENTRY - 0x80);
  expect(page.subarray(VDSO_RECORD - 0x800, VDSO_RECORD).every((byte) => byte === 0)).toBe(true);
});

it('writes a record as the code reads it', () => {
  const times = { tsc: 0x1_0000_0002n, monotonic: 3n, realtime: 1n << 60n };
  const record = new DataView(
    vdsoRecord({ ...times, mul: 0x8000_0000, shift: -1, sequence: 0xffff_ffff }).buffer,
  );
  expect([0, 8, 16].map((at) => record.getBigUint64(at, true))).toEqual(Object.values(times));
  expect([24, 28, 32].map((at) => record.getUint32(at, true))).toEqual([
    0x8000_0000, 0xffff_ffff, 0xffff_ffff,
  ]);
});
