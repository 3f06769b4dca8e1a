/** What grants need of machine memory. The hypervisor implements it over its frame table. */
export interface GrantFrames {
  /** Machine memory by bytes, from machine address 0. */
  readonly u8: Uint8Array;
  /** The same memory by 16-bit words. */
  readonly u16: Uint16Array;
  /** The same memory by 32-bit words. */
  readonly u32: Uint32Array;
  /** Takes a reference to the RAM frame that `domid` calls `gfn`. @returns its machine frame number, or -1 */
  getPageFromGfn(domid: number, gfn: number): number;
  /** Takes a reference to frame `mfn` if it is RAM of `domid`. */
  getPage(domid: number, mfn: number): boolean;
  putPage(mfn: number): void;
  /** Takes a writable type reference (PGT_writable_page). @returns false while the frame is of another type */
  getWritable(mfn: number): boolean;
  putWritable(mfn: number): void;
  /** @returns a zeroed frame of Xen's that `domid` may map read-write, or -1 when there is none */
  allocShared(domid: number): number;
  freeShared(mfn: number): void;
  /** Whether anybody but the table itself holds a shared frame: the domain maps it, or uses it otherwise. */
  sharedInUse(mfn: number): boolean;
  /** Takes the frame that `domid` calls `gfn` away from it, if nothing refers to it. @returns its machine frame number, or -1 */
  steal(domid: number, gfn: number): number;
  /** @returns a zeroed frame that is nobody's, as a stolen one is, or -1 when there is none */
  allocStolen(): number;
  /** Frees a stolen frame. */
  dropStolen(mfn: number): void;
  /** Whether `domid` may own one frame more. */
  hasRoom(domid: number): boolean;
  /** Gives a stolen frame to a domain that has room, as its `gfn`. @returns the number for the entry: the machine frame's */
  giveStolen(mfn: number, domid: number, gfn: number): number;
  /** @returns the domain that owns RAM frame `mfn`; -1 Xen's own or nobody's; -2 no such frame */
  ownerOf(mfn: number): number;
}

/** The caller's page tables, as map and unmap use them. */
export interface GrantMapper {
  /**
   * Puts a mapping of `mfn` where the caller asked for it. The page-table entry holds references of its own, beside those
   * of the handle: should the guest overwrite the entry, the frame stays the handle's until it is unmapped.
   * @param hostAddr linear address, or with GNTMAP_contains_pte the machine address of an L1 entry; u64 as a number
   * @param flags GNTMAP_*
   * @returns GNTST_okay, or GNTST_general_error when there is no such L1 entry of the caller's
   */
  map(hostAddr: number, mfn: number, flags: number): number;
  /**
   * Takes the mapping away, or moves the one at linear address `newAddr` into its place (0: none). Afterwards no TLB entry
   * of the old mapping is left.
   * @returns GNTST_okay, or GNTST_general_error when the entry does not map `mfn` with these rights
   */
  replace(hostAddr: number, mfn: number, newAddr: number, flags: number): number;
}
