import { gunzipSync, gzipSync } from 'node:zlib';
import type { Patch, VectorInput, VectorOutput } from './vector.ts';
import { startSelectors } from './vector.ts';

/** Recorded outputs of one instance, with a fingerprint of the inputs that they answer. */
export interface Recorded {
  readonly key: string;
  readonly fingerprint: number;
  readonly outputs: readonly VectorOutput[];
}

/**
 * Only differences from the input are kept, in columns, so that equal things lie together for gzip.
 * kind: bit 0 fault, 1 unexpected EIP, 2 memory changed, 3 unexpected step count, 4 selectors changed.
 */
const COLUMNS = ['kind', 'mask', 'flags0', 'flags1', 'flags2', 'reg0', 'reg1', 'reg2', 'reg3'] as const;
const RARE = ['eip', 'fault', 'steps', 'selectors', 'changes'] as const;
type Column = (typeof COLUMNS)[number] | (typeof RARE)[number];
const FAULT = 1;
const EIP = 2;
const MEMORY = 4;
const STEPS = 8;
const SELECTORS = 16;

/** FNV-1a over everything that a vector starts from. */
export function fingerprint(inputs: readonly VectorInput[]): number {
  let h = 0x811c9dc5;
  const mix = (v: number): void => {
    h = Math.imul(h ^ (v & 0xffff), 0x01000193);
    h = Math.imul(h ^ (v >>> 16), 0x01000193);
  };
  for (const v of inputs) {
    for (const n of [...v.regs, v.eip, v.eflags, v.segments.cs, v.segments.ss, v.segments.fs, v.maxSteps])
      mix(n);
    for (const p of v.patches) {
      mix(p.address);
      for (const b of p.bytes) mix(b);
    }
  }
  return h >>> 0;
}

const expectedEip = (input: VectorInput, fault: boolean): number =>
  fault ? input.eip : (input.eip + input.code.length) >>> 0;

class Writer {
  readonly columns = new Map<Column, number[]>();

  put(column: Column, ...bytes: number[]): void {
    const list = this.columns.get(column) ?? [];
    this.columns.set(column, list);
    for (const b of bytes) list.push(b & 0xff);
  }
  put16(column: Column, v: number): void {
    this.put(column, v, v >>> 8);
  }
  put32(column: Column, v: number): void {
    this.put(column, v, v >>> 8, v >>> 16, v >>> 24);
  }
}

function packVector(w: Writer, input: VectorInput, output: VectorOutput): void {
  const fault = output.vector >= 0;
  let kind = fault ? FAULT : 0;
  if (output.eip !== expectedEip(input, fault)) kind |= EIP;
  if (output.changes.length > 0) kind |= MEMORY;
  if (output.steps !== (fault ? 0 : 1)) kind |= STEPS;
  const start = startSelectors(input);
  if (output.selectors.some((v, i) => v !== start[i])) kind |= SELECTORS;
  const differences = output.regs.map((v, i) => (v ^ (input.regs[i] as number)) >>> 0);
  w.put('kind', kind);
  w.put(
    'mask',
    differences.reduce((mask, d, i) => mask | (d ? 1 << i : 0), 0),
  );
  const flags = output.eflags ^ input.eflags;
  w.put('flags0', flags);
  w.put('flags1', flags >>> 8);
  w.put('flags2', flags >>> 16);
  for (const d of differences.filter((v) => v !== 0)) {
    w.put('reg0', d);
    w.put('reg1', d >>> 8);
    w.put('reg2', d >>> 16);
    w.put('reg3', d >>> 24);
  }
  if (kind & EIP) w.put32('eip', output.eip);
  if (kind & STEPS) w.put('steps', output.steps);
  if (kind & SELECTORS) for (const v of output.selectors) w.put16('selectors', v);
  if (fault) {
    w.put('fault', output.vector);
    w.put16('fault', output.errorCode);
    w.put32('fault', output.cr2);
  }
  if (!(kind & MEMORY)) return;
  w.put('changes', output.changes.length);
  for (const { address, bytes } of output.changes) {
    w.put16('changes', address);
    w.put16('changes', bytes.length);
    w.put('changes', ...bytes);
  }
}

export function pack(all: readonly (Recorded & { inputs: readonly VectorInput[] })[]): Buffer {
  const w = new Writer();
  for (const { inputs, outputs } of all) {
    inputs.forEach((input, i) => {
      packVector(w, input, outputs[i] as VectorOutput);
    });
  }
  const columns = [...COLUMNS, ...RARE].map((name) => w.columns.get(name) ?? []);
  const head = JSON.stringify({
    instances: all.map((r) => [r.key, r.fingerprint, r.outputs.length]),
    columns: columns.map((c) => c.length),
  });
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return gzipSync(Buffer.concat([length, Buffer.from(head), ...columns.map((c) => Buffer.from(c))]), {
    level: 9,
  });
}

class Reader {
  readonly #columns = new Map<Column, { bytes: Buffer; at: number }>();

  constructor(bytes: Buffer, lengths: readonly number[]) {
    let at = 0;
    [...COLUMNS, ...RARE].forEach((name, i) => {
      const end = at + (lengths[i] ?? 0);
      this.#columns.set(name, { bytes: bytes.subarray(at, end), at: 0 });
      at = end;
    });
  }
  get(column: Column): number {
    const c = this.#columns.get(column);
    return c ? (c.bytes[c.at++] ?? 0) : 0;
  }
  get16(column: Column): number {
    return this.get(column) | (this.get(column) << 8);
  }
  get32(column: Column): number {
    return (this.get16(column) | (this.get16(column) << 16)) >>> 0;
  }
}

function unpackVector(r: Reader, input: VectorInput): VectorOutput {
  const kind = r.get('kind');
  const mask = r.get('mask');
  const fault = (kind & FAULT) !== 0;
  const eflags = input.eflags ^ (r.get('flags0') | (r.get('flags1') << 8) | (r.get('flags2') << 16));
  const difference = (): number =>
    r.get('reg0') | (r.get('reg1') << 8) | (r.get('reg2') << 16) | (r.get('reg3') << 24);
  const regs = input.regs.map((v, i) => (mask & (1 << i) ? (v ^ difference()) >>> 0 : v));
  const eip = kind & EIP ? r.get32('eip') : expectedEip(input, fault);
  const steps = kind & STEPS ? r.get('steps') : fault ? 0 : 1;
  const start = startSelectors(input);
  const selectors = kind & SELECTORS ? start.map(() => r.get16('selectors')) : start;
  const vector = fault ? r.get('fault') : -1;
  const errorCode = fault ? r.get16('fault') : 0;
  const cr2 = fault ? r.get32('fault') : 0;
  const change = (): Patch => {
    const address = r.get16('changes');
    const length = r.get16('changes');
    return { address, bytes: Array.from({ length }, () => r.get('changes')) };
  };
  const changes = Array.from({ length: kind & MEMORY ? r.get('changes') : 0 }, change);
  return { regs, eip, eflags, selectors, vector, errorCode, cr2, steps, changes };
}

/** A packed file, read instance by instance in the order in which it was written. */
export class Unpacker {
  readonly instances: readonly { key: string; fingerprint: number; count: number }[];
  readonly #reader: Reader;

  constructor(file: Uint8Array) {
    const bytes = gunzipSync(file);
    const headLength = bytes.readUInt32LE(0);
    const head = JSON.parse(bytes.toString('latin1', 4, 4 + headLength)) as {
      instances: [string, number, number][];
      columns: number[];
    };
    this.instances = head.instances.map(([key, print, count]) => ({ key, fingerprint: print, count }));
    this.#reader = new Reader(bytes.subarray(4 + headLength), head.columns);
  }

  /** Outputs of the next instance, whose inputs are given. */
  next(inputs: readonly VectorInput[]): VectorOutput[] {
    return inputs.map((input) => unpackVector(this.#reader, input));
  }
}
