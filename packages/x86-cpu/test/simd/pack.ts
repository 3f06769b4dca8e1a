import { gunzipSync, gzipSync } from 'node:zlib';
import { At, type SimdInput, type SimdOutput, STATE_BYTES, WINDOW } from './state.ts';

/** Words of the state that are kept whole when they changed; memory is kept by its changed bytes. */
const PARTS: readonly (readonly [number, number])[] = [
  ...Array.from({ length: 8 }, (_, i) => [At.regs + 4 * i, 4] as const),
  [At.eflags, 4],
  [At.mxcsr, 4],
  ...Array.from({ length: 8 }, (_, i) => [At.mm + 8 * i, 8] as const),
  ...Array.from({ length: 8 }, (_, i) => [At.xmm + 16 * i, 16] as const),
];
const MEMORY = 1 << 26;
const FAULT = 1 << 27;
const TAGS = 1 << 28;

/** FNV-1a over the inputs, to notice that the generator changed. */
export function fingerprint(inputs: Iterable<SimdInput>): number {
  let h = 0x811c9dc5;
  const mix = (v: number): void => {
    h = Math.imul(h ^ v, 0x01000193);
  };
  for (const input of inputs) {
    for (const b of input.state) mix(b);
    for (const b of input.code) mix(b);
    mix(input.address & 0xff);
    mix(input.address >> 8);
  }
  return h >>> 0;
}

const changed = (a: Uint8Array, b: Uint8Array, at: number, length: number): boolean => {
  for (let i = at; i < at + length; i++) if (a[i] !== b[i]) return true;
  return false;
};

/** Streams, so that equal things lie together for gzip. */
type Streams = { head: number[]; values: number[]; rare: number[] };

function packOne(s: Streams, input: SimdInput, output: SimdOutput): void {
  let mask = 0;
  PARTS.forEach(([at, length], i) => {
    if (!changed(input.state, output.state, at, length)) return;
    mask |= 1 << i;
    s.values.push(...output.state.subarray(at, at + length));
  });
  if (changed(input.state, output.state, At.memory, WINDOW)) mask |= MEMORY;
  if (output.vector >= 0) mask |= FAULT;
  if (output.tags !== 0) mask |= TAGS;
  for (let i = 0; i < 4; i++) s.head.push((mask >>> (8 * i)) & 0xff);
  if (mask & MEMORY) {
    const at = Array.from({ length: WINDOW }, (_, i) => At.memory + i);
    const bytes = at.filter((i) => input.state[i] !== output.state[i]);
    s.rare.push(bytes.length, ...bytes.flatMap((i) => [i - At.memory, output.state[i]!]));
  }
  if (mask & FAULT) s.rare.push(output.vector, ...[0, 8, 16, 24].map((n) => (output.cr2 >>> n) & 0xff));
  if (mask & TAGS) s.rare.push(output.tags, output.top);
}

export function pack(print: number, vectors: Iterable<readonly [SimdInput, SimdOutput]>): Buffer {
  const s: Streams = { head: [], values: [], rare: [] };
  for (const [input, output] of vectors) packOne(s, input, output);
  const header = Uint32Array.from([print, s.head.length, s.values.length, s.rare.length]);
  return gzipSync(
    Buffer.concat([Buffer.from(header.buffer), ...[s.head, s.values, s.rare].map((l) => Buffer.from(l))]),
    { level: 9 },
  );
}

/** Reads outputs back, in the order of their inputs. */
export class Unpacker {
  readonly fingerprint: number;
  readonly #streams: readonly Buffer[];
  readonly #at: number[] = [0, 0, 0];

  constructor(file: Uint8Array) {
    const bytes = gunzipSync(file);
    const [print, ...lengths] = [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
    this.fingerprint = print!;
    let at = 16;
    this.#streams = lengths.map((length) => {
      at += length;
      return bytes.subarray(at - length, at);
    });
  }

  #take(stream: number, length: number): Buffer {
    const at = this.#at[stream]!;
    this.#at[stream] = at + length;
    return this.#streams[stream]!.subarray(at, at + length);
  }

  next(input: SimdInput): SimdOutput {
    const state = new Uint8Array(STATE_BYTES);
    state.set(input.state);
    const mask = this.#take(0, 4).readUInt32LE(0);
    PARTS.forEach(([at, length], i) => {
      if (mask & (1 << i)) state.set(this.#take(1, length), at);
    });
    if (mask & MEMORY) {
      for (let n = this.#take(2, 1)[0]!; n > 0; n--) {
        const [at, byte] = this.#take(2, 2);
        state[At.memory + at!] = byte!;
      }
    }
    const fault = mask & FAULT ? this.#take(2, 5) : null;
    const tags = mask & TAGS ? this.#take(2, 2) : null;
    return {
      state,
      vector: fault ? fault[0]! : -1,
      cr2: fault ? fault.readUInt32LE(1) : 0,
      tags: tags?.[0] ?? 0,
      top: tags?.[1] ?? 0,
    };
  }
}
