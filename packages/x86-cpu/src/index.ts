export type { CpuBus } from './bus.ts';
export { Cpu, type CpuOptions } from './cpu.ts';
export type { CpuContext, CpuExit } from './cpu-state.ts';
export {
  type DecodeError,
  type DecodeErrorKind,
  type DecodeOptions,
  decode,
  type Insn,
  isDecodeError,
  type MemoryReference,
} from './decode/index.ts';
export { disassemble } from './disasm/index.ts';
export { Access, Exit, PAGE_WRITABLE, Reg, Seg, Vector } from './names.ts';
export type { SegmentFile } from './segments.ts';
export { CPU_RESERVED_BYTES, GATE } from './state.ts';
export { readFpuImage, writeFpuImage } from './x87/image.ts';
