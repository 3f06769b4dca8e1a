import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DNS_A, type DnsMessage, encodeDns, parseDns } from './message.ts';

const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
const name = fc.array(label, { maxLength: 8 }).map((labels) => labels.join('.'));
const u16 = fc.nat(0xffff);
const message: fc.Arbitrary<DnsMessage> = fc.record({
  ...{ id: u16, response: fc.boolean(), opcode: fc.nat(15), recursionDesired: fc.boolean() },
  ...{ truncated: fc.boolean(), rcode: fc.nat(15) },
  questions: fc.array(fc.record({ name, type: u16 }), { maxLength: 3 }),
  answers: fc.array(
    fc.record({ name, type: u16, ttlSeconds: fc.nat(), data: fc.uint8Array({ maxLength: 20 }) }),
    { maxLength: 3 },
  ),
});

test('a message that was encoded parses to itself', () => {
  fc.assert(fc.property(message, (value) => void expect(parseDns(encodeDns(value)!)).toEqual(value)));
});
test('no bytes make the parser throw or follow names in circles', () => {
  fc.assert(
    fc.property(
      message,
      fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 10 }),
      (value, changes) => {
        const bytes = encodeDns(value)!;
        for (const [at, to] of changes) if (at < bytes.length) bytes[at] = to;
        parseDns(bytes);
      },
    ),
  );
  const header = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  expect(parseDns(Uint8Array.from([...header, 0xc0, 12, 0, 1, 0, 1]))).toBeUndefined();
});
test('pointers to earlier names are followed', () => {
  const bytes = Uint8Array.from([
    ...[0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0],
    ...[3, 119, 119, 119, 1, 120, 0, 0, 1, 0, 1],
    ...[0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4],
  ]);
  const parsed = parseDns(bytes)!;
  expect(parsed.questions).toEqual([{ name: 'www.x', type: DNS_A }]);
  expect(parsed.answers).toEqual([
    { name: 'x', type: DNS_A, ttlSeconds: 9, data: Uint8Array.of(1, 2, 3, 4) },
  ]);
});
test.each(['a..b', `${'x'.repeat(64)}.y`, Array(60).fill('label').join('.')])(
  'the name %s is refused',
  (bad) => {
    const parsed = parseDns(Uint8Array.from([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]))!;
    expect(encodeDns({ ...parsed, questions: [{ name: bad, type: DNS_A }] })).toBeUndefined();
  },
);
