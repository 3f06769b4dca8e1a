export { guestKernelImage } from './boot/image.ts';
export { createGuestKernel } from './guest-kernel.ts';
export type { KernelHost } from './kernel.ts';
export { CALL_NUMBERS } from './syscall/numbers.ts';
export { type ArchiveMember, userlandArchive, writeCpio } from './userland/index.ts';
