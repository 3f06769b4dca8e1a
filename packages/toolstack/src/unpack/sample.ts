/** Bytes of the sample that `test/packed.json` holds in all formats. */
export const SAMPLE_BYTES = 120_000;

/**
 * Something like a kernel: code with calls, tables with gaps, text, and a stretch that nothing compresses. For tests.
 * @returns always the same bytes
 */
export function sample(): Uint8Array {
  const bytes = new Uint8Array(SAMPLE_BYTES);
  const view = new DataView(bytes.buffer);
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let at = 0; at < 24_000; at += 16) {
    bytes.set([0x55, 0x89, 0xe5, 0x8b, 0x45, random(4) * 4, 0x83, 0xc0], at);
    bytes[at + 8] = random(8) === 0 ? 0xe9 : 0xe8;
    view.setInt32(at + 9, 4 * random(500) - at, true);
    bytes.set(random(20) === 0 ? [0xe8, 0xe8, 0xff] : [0xc9, 0xc3, 0x90], at + 13);
  }
  for (let at = 24_000; at < 25_000; at++) bytes[at] = random(256);
  for (let at = 28_000; at < 60_000; at += 32) view.setUint32(at, at >> 3, true);
  const words = ['page', 'frame', 'grant', 'event', 'domain', 'ring', 'store', 'vcpu'];
  for (let at = 62_000; at < 76_000; ) {
    for (const letter of `${words[random(words.length)]} `) bytes[at++] = letter.charCodeAt(0);
  }
  return bytes;
}
