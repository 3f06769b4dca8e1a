export { FreeList } from './free-list.ts';
export { FrontRing } from './front-ring.ts';
export { type GrantMemory, type GrantOf, GuestGrants } from './grants.ts';
export { type KernelPage, type KernelPages, Lender, type LentPage } from './lender.ts';
