import { gunzipSync, gzipSync } from 'node:zlib';
import { requests, TRANSCENDENTAL } from './generate.ts';
import { type Outcome, REQUEST_BYTES, RESPONSE_BYTES } from './wire.ts';

/** The committed vectors: what the generator makes of this. */
export const RECORDED = { seed: 20_24, count: 120 } as const;

/** Responses differ little from their requests: registers and memory are stored as differences, which compress. */
function mix(request: Uint8Array, response: Uint8Array): Uint8Array {
  const out = response.slice();
  const turn = ((((response[3] ?? 0) >> 3) & 7) - (((request[3] ?? 0) >> 3) & 7)) & 7;
  for (let i = 0; i < 8; i++) {
    const from = 16 + 10 * ((i + turn) & 7);
    for (let k = 0; k < 10; k++) out[16 + 10 * i + k]! ^= request[from + k] ?? 0;
  }
  for (let k = 0; k < 16; k++) out[96 + k]! ^= request[96 + k] ?? 0;
  return out;
}

function mixAll(sent: Uint8Array, received: Uint8Array): Uint8Array {
  const out = new Uint8Array(received.length);
  for (let n = 0; n * RESPONSE_BYTES < received.length; n++) {
    const request = sent.subarray(n * REQUEST_BYTES, (n + 1) * REQUEST_BYTES);
    const response = received.subarray(n * RESPONSE_BYTES, (n + 1) * RESPONSE_BYTES);
    out.set(mix(request, response), n * RESPONSE_BYTES);
  }
  return out;
}

export const pack = (sent: Uint8Array, received: Uint8Array): Uint8Array =>
  gzipSync(mixAll(sent, received), { level: 9 });
export const unpack = (sent: Uint8Array, packed: Uint8Array): Uint8Array => mixAll(sent, gunzipSync(packed));

export const recordedRequests = (): Uint8Array => requests(RECORDED.seed, RECORDED.count);

/** PE and C1, which say how the last bit was rounded; ES and B, which follow PE when it is unmasked. */
const LAST_BIT = 0x220;
const PE = 0x20;
const SUMMARY = 0x8080;
const MAX_ULPS = 1n;

function register(bytes: Uint8Array, i: number): bigint {
  let v = 0n;
  for (let k = 9; k >= 0; k--) v = (v << 8n) | BigInt(bytes[10 * i + k] ?? 0);
  return v;
}

/** Sign, exponent and mantissa as a number that counts units in the last place. */
function place(v: bigint): bigint {
  return ((v >> 64n) << 63n) | (v & ((1n << 63n) - 1n));
}

/** @returns what differs, by name. The last bit of transcendental functions is the host's own. */
export function differences(name: string, host: Outcome, ours: Outcome): string[] {
  if (host.vector !== ours.vector) return [`vector ${host.vector}, not ${ours.vector}`];
  if (host.vector !== 0) return [];
  const loose = TRANSCENDENTAL.has(name);
  const found: string[] = [];
  const lastBit = host.control & PE ? LAST_BIT : LAST_BIT | SUMMARY;
  const status = (host.status ^ ours.status) & ~(loose ? lastBit : 0);
  if (status) found.push(`status ${status.toString(16)}`);
  if (host.control !== ours.control) found.push('control');
  if (host.tags !== ours.tags) found.push('tags');
  if (host.flags !== ours.flags) found.push('flags');
  if (host.ax !== ours.ax) found.push('ax');
  for (let i = 0; i < 8; i++) {
    const [a, b] = [register(host.registers, i), register(ours.registers, i)];
    const distance = place(a) - place(b);
    const near = loose && distance <= MAX_ULPS && distance >= -MAX_ULPS;
    if (a !== b && !near) found.push(`st${i} ${a.toString(16)}, not ${b.toString(16)}`);
  }
  if (host.memory.some((byte, i) => byte !== ours.memory[i])) found.push('memory');
  return found;
}
