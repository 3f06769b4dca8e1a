import { baseImage, CODE_BASE, DATA_END } from './layout.ts';
import { kindOf, LDT } from './segments.ts';
import type { Patch, VectorInput, VectorOutput } from './vector.ts';

/**
 * What goes to and comes from recorder.c, little-endian:
 *   header   u32 vectors, u32 LDT entries; per entry u32 base, limit, pages, kind, restricted, present, big; the base image
 *            of code and data
 *   input    u32 regs[8], eip, eflags; u16 cs, ss, fs; u8 maxSteps, patches; per patch u16 address, u16 length, bytes
 *   output   u32 regs[8], eip, eflags, cr2; u16 es, cs, ss, ds, fs, gs; i16 vector; u16 errorCode, steps, changes;
 *            per change u16 address, u16 length, bytes
 */
export function encodeInputs(inputs: readonly VectorInput[]): Buffer {
  const header = [inputs.length, LDT.length];
  for (const e of LDT) {
    header.push(e.base, e.limit, Number(e.pages), kindOf(e));
    header.push(Number(e.restricted), Number(e.present), Number(e.big));
  }
  const parts = [Buffer.from(Uint32Array.from(header).buffer), baseImage().subarray(CODE_BASE, DATA_END)];
  for (const input of inputs) parts.push(...encodeInput(input));
  return Buffer.concat(parts);
}

function encodeInput(input: VectorInput): Buffer[] {
  const words = Buffer.from(Uint32Array.from([...input.regs, input.eip, input.eflags]).buffer);
  const { cs, ss, fs } = input.segments;
  const selectors = Buffer.from(Uint16Array.from([cs, ss, fs]).buffer);
  const parts = [words, selectors, Buffer.from([input.maxSteps, input.patches.length])];
  for (const { address, bytes } of input.patches) {
    parts.push(Buffer.from(Uint16Array.from([address, bytes.length]).buffer), Buffer.from(bytes));
  }
  return parts;
}

export function decodeOutputs(bytes: Buffer, count: number): VectorOutput[] {
  let at = 0;
  const take = (length: number): number => {
    at += length;
    return at - length;
  };
  const u16 = (): number => bytes.readUInt16LE(take(2));
  const u32 = (): number => bytes.readUInt32LE(take(4));
  const change = (): Patch => {
    const address = u16();
    const length = u16();
    const start = take(length);
    return { address, bytes: [...bytes.subarray(start, at)] };
  };
  return Array.from({ length: count }, () => {
    const regs = Array.from({ length: 8 }, u32);
    const [eip, eflags, cr2] = [u32(), u32(), u32()];
    const selectors = Array.from({ length: 6 }, u16);
    const vector = (u16() << 16) >> 16;
    const [errorCode, steps, changes] = [u16(), u16(), u16()];
    return {
      regs,
      eip,
      eflags,
      cr2,
      selectors,
      vector,
      errorCode,
      steps,
      changes: Array.from({ length: changes }, change),
    };
  });
}
