import { type Cpu, Seg } from '@domu/x86-cpu';

const MAX_LENGTH = 15;

/** Reads the bytes of the instruction at CS:EIP one after the other, for emulation. */
export class InsnBytes {
  /** Bytes read so far. */
  length: number = 0;
  readonly #cpu: Cpu;
  readonly #base: number;
  readonly #limit: number;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#base = cpu.seg.base(Seg.CS);
    this.#limit = cpu.seg.limit(Seg.CS);
  }

  /** @returns the next byte, or -1 beyond the code segment, the page tables or the longest instruction */
  next(): number {
    const offset = (this.#cpu.eip + this.length) >>> 0;
    if (this.length === MAX_LENGTH || offset > this.#limit) return -1;
    this.length++;
    return this.#cpu.readLinear((this.#base + offset) >>> 0, 1, this.#cpu.cpl === 3);
  }

  /** @returns a little-endian value of 1, 2 or 4 bytes, unsigned, or -1 */
  value(bytes: 1 | 2 | 4): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) {
      const byte = this.next();
      if (byte < 0) return -1;
      value += byte * 2 ** (8 * i);
    }
    return value;
  }
}

/** What the prefixes of an instruction say. */
export interface Prefixes {
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly rep: boolean;
  readonly lock: boolean;
  /** Segment override, or -1. */
  readonly segment: number;
  /** First byte behind the prefixes, or -1. */
  readonly opcode: number;
}

/** @param wide the code segment's D bit */
export function readPrefixes(bytes: InsnBytes, wide: boolean): Prefixes {
  let operandSize: 2 | 4 = wide ? 4 : 2;
  let addressSize: 2 | 4 = wide ? 4 : 2;
  let rep = false;
  let lock = false;
  let segment = -1;
  for (;;) {
    const opcode = bytes.next();
    switch (opcode) {
      case 0x66:
        operandSize = wide ? 2 : 4;
        break;
      case 0x67:
        addressSize = wide ? 2 : 4;
        break;
      case 0xf2:
      case 0xf3:
        rep = true;
        break;
      case 0xf0:
        lock = true;
        break;
      case 0x26:
        segment = Seg.ES;
        break;
      case 0x2e:
        segment = Seg.CS;
        break;
      case 0x36:
        segment = Seg.SS;
        break;
      case 0x3e:
        segment = Seg.DS;
        break;
      case 0x64:
        segment = Seg.FS;
        break;
      case 0x65:
        segment = Seg.GS;
        break;
      default:
        return { operandSize, addressSize, rep, lock, segment, opcode };
    }
  }
}
