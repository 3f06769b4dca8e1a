/** Frame numbers have 20 bits: 4 GiB of pseudo-physical address space, as 2-level tables can name. */
const NR_GFNS = 1 << 20;
const MFN_MASK = NR_GFNS - 1;

/** Gfns from here on are Xen's to give, for granted frames that the domain maps; below is the domain's memory. */
export const FIRST_GRANT_GFN = 0xe_0000;

/** In an entry: another domain's frame, mapped by grant. */
export const PHYSMAP_GRANT: number = 1 << 20;
/** In an entry: not to be written through. */
export const PHYSMAP_READONLY: number = 1 << 21;

/**
 * The phys-to-machine map of a translated domain: which machine frame each pseudo-physical frame is. Frames of the domain
 * have one gfn each at most; a grant mapping gets a gfn of its own, so that it can be taken back whatever the guest has
 * done with the number. Entries are an mfn and PHYSMAP_* bits; 0: no frame (nobody gets machine frame 0).
 */
export class Physmap {
  readonly #entries = new Uint32Array(NR_GFNS);
  /** All gfns of the domain's memory from here on are empty. */
  #end = 0;
  readonly #freeGrantGfns: number[] = [];
  #nextGrantGfn = FIRST_GRANT_GFN;

  /** @returns entry of any gfn, also -1 and numbers beyond the map (0) */
  entry(gfn: number): number {
    return gfn >= 0 && gfn < NR_GFNS ? this.#entries[gfn] : 0;
  }

  /** @returns the domain's own frame at `gfn`, or -1 */
  ram(gfn: number): number {
    return gfn >= 0 && gfn < this.#end ? this.#entries[gfn] || -1 : -1;
  }

  /** @returns whether the domain may have memory at `gfn` */
  canHold(gfn: number): boolean {
    return gfn >= 0 && gfn < FIRST_GRANT_GFN;
  }

  /** Preconditions: `canHold(gfn)` */
  setRam(gfn: number, mfn: number): void {
    this.#entries[gfn] = mfn;
    if (gfn >= this.#end) this.#end = gfn + 1;
  }

  clearRam(gfn: number): void {
    this.#entries[gfn] = 0;
    while (this.#end > 0 && this.#entries[this.#end - 1] === 0) this.#end--;
  }

  /** @returns the highest gfn with memory, or -1 */
  get highest(): number {
    return this.#end - 1;
  }

  /** Gives a granted frame a gfn. @returns it, or -1 when all are taken */
  addGrant(mfn: number, readonly: boolean): number {
    const gfn = this.#freeGrantGfns.pop() ?? (this.#nextGrantGfn < NR_GFNS ? this.#nextGrantGfn++ : -1);
    if (gfn >= 0) this.#entries[gfn] = mfn | PHYSMAP_GRANT | (readonly ? PHYSMAP_READONLY : 0);
    return gfn;
  }

  removeGrant(gfn: number): void {
    this.#entries[gfn] = 0;
    this.#freeGrantGfns.push(gfn);
  }

  /** Entries of all granted frames. */
  grants(): number[] {
    return [...this.#entries.subarray(FIRST_GRANT_GFN, this.#nextGrantGfn)].filter((entry) => entry !== 0);
  }
}

/** @returns the machine frame of an entry that is not 0 */
export function physmapMfn(entry: number): number {
  return entry & MFN_MASK;
}
