import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { FakeTerminal, guestKernel, Sandbox } from '../../test/harness.ts';
import { main } from '../cli.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** Prints as fast as the ring takes it, for ever. */
const flood = sandbox.file(
  'flood',
  guestKernel(`
again:
    mov eax, [edi+3084]
    sub eax, [edi+3080]
    cmp eax, 1024
    ja full
    mov esi, offset text
    call print
    jmp again
full:
    mov eax, 29
    xor ebx, ebx
    int 0x82
    jmp again
text: .asciz "${'all work and no play makes Jack a dull boy; '.repeat(20)}\\n"
`),
);

/** Runs the guest against a reader that takes `limit` bytes and then nothing. @returns bytes that wait for him at the end */
async function against(
  limit: number,
  clock: string,
): Promise<{ waiting: number; code: number; taken: number }> {
  const terminal = new FakeTerminal(false);
  let taken = 0;
  const stdout = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      taken += chunk.length;
      if (taken < limit) done();
    },
  });
  const code = await main(['run', flood, '--clock', clock, '--timeout', '2'], { ...terminal.io, stdout });
  return { waiting: stdout.writableLength, code, taken };
}

test.each([
  // The guest waits in its ring.
  ['host', 64 * 1024],
  // The machine stands still, so that what the guest sees does not depend on the reader.
  ['virtual', 8 << 20],
])('a flood against a reader who stops stays bounded (%s clock)', async (clock, bound) => {
  const { waiting, code, taken } = await against(200_000, clock);
  expect(code).toBe(124);
  expect(taken).toBeGreaterThan(100_000);
  expect(waiting).toBeLessThan(bound);
});
