export { type Kernel, type KernelSegment, loadKernel } from './elf/kernel.ts';
export type { SymbolHit, SymbolTable } from './elf/symbols.ts';
export type { PaeMode } from './elf/xen-info.ts';
export type { Result } from './result.ts';
