export { guestKernelImage } from '../boot/image.ts';
export type { KernelTimer } from '../time/timers.ts';
export { SemihostedGuest, semihostedKernel } from './guest.ts';
