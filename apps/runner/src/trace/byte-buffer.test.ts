import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteBuffer, encoded } from './byte-buffer.ts';

function textOf(use: (buffer: ByteBuffer) => void): string {
  let text = '';
  const buffer = new ByteBuffer((bytes) => {
    text += Buffer.from(bytes).toString('latin1');
  });
  use(buffer);
  buffer.flush();
  return text;
}

test('numbers come out as JavaScript writes them', () => {
  const numbers = fc.oneof(
    fc.maxSafeNat(),
    fc.nat(),
    fc.constantFrom(0, 9, 10, 999_999_999, 1e9, 1e9 + 1, 2 ** 53 - 1),
  );
  fc.assert(
    fc.property(numbers, (value) => {
      expect(textOf((buffer) => buffer.digits(value))).toBe(String(value));
      expect(Number(textOf((buffer) => buffer.micros(value)))).toBe(
        Number((BigInt(value) / 1000n).toString()) + (value % 1000) / 1000,
      );
    }),
    { seed: 1 },
  );
  expect(textOf((buffer) => buffer.micros(1_234_567))).toBe('1234.567');
  expect(textOf((buffer) => buffer.micros(5))).toBe('0.005');
  expect(textOf((buffer) => buffer.signed(-22))).toBe('-22');
  expect(textOf((buffer) => buffer.hex8(-1))).toBe('ffffffff');
});

test('it hands over what it has when it is full, and nothing is lost', () => {
  const pieces = Array.from({ length: 30_000 }, (_, i) => `${i},`.padEnd(1 + (i % 40), '.'));
  const text = textOf((buffer) => {
    for (const piece of pieces) {
      buffer.put(encoded(piece));
      buffer.flushIfFull();
    }
  });
  expect(text).toBe(pieces.join(''));
});
