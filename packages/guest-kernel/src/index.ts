export { guestKernelImage } from './boot/image.ts';
export { createGuestKernel } from './guest-kernel.ts';
export type { KernelHost } from './kernel.ts';
export { type ArchiveMember, userlandArchive, writeCpio } from './userland/index.ts';
