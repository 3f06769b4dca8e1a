import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isBzImage, unpackBzImage } from './bzimage.ts';
import { SAMPLE_BYTES, sample } from './sample.ts';

const packed = JSON.parse(readFileSync(new URL('../../test/packed.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>;

interface Fields {
  readonly version?: number;
  readonly size?: number;
  readonly payloadLength?: number;
}

/** A bzImage of one setup sector; kernel builds append the size to all payloads but gzip's, which end with it. */
function bzImage(
  command: string,
  { version = 0x020d, size = SAMPLE_BYTES, payloadLength }: Fields = {},
): Uint8Array {
  const payload = Buffer.from(packed[command], 'base64');
  const sizeBytes = command.startsWith('gzip') ? 0 : 4;
  const start = 1024 + 0x80;
  const bytes = new Uint8Array(start + payload.length + sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, version, true);
  view.setUint32(0x248, 0x80, true);
  view.setUint32(0x24c, payloadLength ?? payload.length + sizeBytes, true);
  bytes.set(payload, start);
  if (sizeBytes > 0) view.setUint32(bytes.length - 4, size, true);
  return bytes;
}

test.each(Object.keys(packed))('finds the kernel in a payload of %s', (command) => {
  const image = bzImage(command);
  expect(isBzImage(image)).toBe(true);
  const kernel = unpackBzImage(image);
  if (!kernel.ok) throw new Error(kernel.error);
  expect(Buffer.compare(kernel.value, sample())).toBe(0);
});

test('says what is wrong with the file', () => {
  const error = (image: Uint8Array): string => {
    const result = unpackBzImage(image);
    return result.ok ? '' : result.error;
  };
  const xz = 'xz -0';
  expect(error(bzImage(xz, { version: 0x0207 }))).toMatch(/^a bzImage of boot protocol 2.7, without payload/);
  expect(error(bzImage(xz, { payloadLength: 1e6 }))).toMatch(/^truncated: a bzImage of \d+ bytes; expected/);
  expect(error(bzImage(xz, { payloadLength: 3 }))).toMatch(/^truncated/);
  expect(error(bzImage(xz, { size: 2 ** 30 }))).toMatch(/claims to hold 1073741824 bytes/);
  expect(error(bzImage(xz, { size: SAMPLE_BYTES - 1 }))).toMatch(/^a bzImage with damaged xz data/);
  expect(error(bzImage(xz, { size: SAMPLE_BYTES + 1 }))).toMatch(/gives 120000 bytes; expected 120001/);
  const unknown = bzImage(xz);
  unknown[1024 + 0x80] = 0;
  expect(error(unknown)).toMatch(/unknown way; expected gzip, xz, lzma/);
});

test('other files are not taken for one', () => {
  expect(isBzImage(new Uint8Array(0x24f))).toBe(false);
  expect(isBzImage(sample())).toBe(false);
});
