export { PlatformBug } from './bug.ts';
export { FrameTable } from './frame-table.ts';
export type { GrantMapping, GrantMapRequest } from './grant-map.ts';
export { checkInvariants, type HeldReference, type OutsideView } from './invariants.ts';
export { M2P } from './m2p.ts';
export { MachineMemory } from './machine-memory.ts';
export {
  type PageType,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_none,
  PGT_seg_desc_page,
  PGT_writable_page,
  type TlbFlush,
} from './page-type.ts';
export type { Paging } from './paging.ts';
export { DirectPaging, type PagingOptions } from './paging-direct.ts';
export { TranslatedPaging } from './paging-translated.ts';
export { type CheckedDescriptor, checkDescriptor } from './seg-desc.ts';
