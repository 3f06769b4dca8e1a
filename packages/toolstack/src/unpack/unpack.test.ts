import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SAMPLE_BYTES, sample } from './sample.ts';
import { compressionOf, unpack } from './unpack.ts';

/** The sample as packed by gzip 1.12, xz 5.4.1, bzip2 1.0.8, lz4 1.9.4, lzop 1.04 and zstd 1.5.4, by command line. */
const packed = Object.entries(
  JSON.parse(readFileSync(new URL('../../test/packed.json', import.meta.url), 'utf8')) as Record<
    string,
    string
  >,
).map(([command, base64]) => ({ command, bytes: new Uint8Array(Buffer.from(base64, 'base64')) }));

describe.each(packed)('a file of $command', ({ command, bytes }) => {
  test('gives back what was packed', () => {
    expect(compressionOf(bytes)).toBe(command.split(' ')[0].replace('lzop', 'lzo'));
    const result = unpack(bytes);
    if (!result.ok) throw new Error(result.error);
    expect(Buffer.compare(result.value, sample())).toBe(0);
  });

  test('is refused when more comes out than may', () => {
    expect(unpack(bytes, SAMPLE_BYTES - 1).ok).toBe(false);
    expect(unpack(bytes, SAMPLE_BYTES).ok).toBe(true);
  });

  test('is refused when it is cut, wherever that is', () => {
    for (let length = 16; length < bytes.length * 0.99; length += Math.ceil(bytes.length / 40)) {
      const result = unpack(bytes.subarray(0, length));
      // A file of lz4 says nowhere how long it is, and may end after a whole block.
      expect(result.ok && result.value.length >= SAMPLE_BYTES, `cut at ${length}`).toBe(false);
    }
  });

  test('neither throws nor exceeds the limit when it is damaged', () => {
    for (let i = 0; i < 60; i++) {
      const damaged = bytes.slice();
      damaged[16 + ((i * 7919) % (bytes.length - 16))] ^= 1 << (i % 8);
      const result = unpack(damaged, SAMPLE_BYTES);
      expect(result.ok ? result.value.length : 0).toBeLessThanOrEqual(SAMPLE_BYTES);
    }
  });
});

test('a file that is not compressed is told from one that is', () => {
  expect(compressionOf(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46))).toBe(null);
  expect(unpack(new Uint8Array(0)).ok).toBe(false);
});

test.each(['gzip -9', 'xz --check=crc32 --x86 --lzma2', 'bzip2 -9'])(
  'a damaged byte in a file with a checksum is found: %s',
  (command) => {
    const bytes = packed.find((file) => file.command === command)?.bytes.slice() ?? new Uint8Array(0);
    for (let at = 40; at < bytes.length - 40; at += Math.ceil(bytes.length / 50)) {
      bytes[at] ^= 0x10;
      expect(unpack(bytes).ok, `byte ${at}`).toBe(false);
      bytes[at] ^= 0x10;
    }
  },
);
