export { FreeList } from './free-list.ts';
export { type GrantMemory, type GrantOf, GuestGrants } from './grants.ts';
