/** Everything the CPU needs from outside; Xen, a monitor or a test stands behind it. */
export interface CpuBus {
  /**
   * Resolves the page of `linear` on a TLB miss; sets accessed and dirty bits in the guest's tables itself. Under
   * Access.Probe nothing may change: an access that would have to set an accessed bit counts as a page fault then.
   * @param access one of Access
   * @param user   the access is made at CPL 3
   * @returns the page's machine address (a multiple of 4096), plus PAGE_WRITABLE when a write entry may be installed
   *   without a further walk (the dirty bit is set); or -1 - errorCode for a page fault
   */
  translate(linear: number, access: number, user: boolean): number;
  /**
   * Reads the descriptor that `selector` names.
   * @param out receives the low and high word
   * @returns 0; 1 when the selector lies beyond its table; -1 - errorCode for a page fault at linear address out[0]
   */
  readDescriptor(selector: number, out: Uint32Array): number;
  /** Sets the accessed bit of the descriptor that was just loaded. */
  setAccessed(selector: number): void;
  /**
   * Where the descriptor of a selector lies, which was just read: its machine address (a multiple of 8), -1 when it never
   * changes, -2 when it cannot be told. An embedder that has this method says `descriptors.forget()` whenever a selector may
   * come to name another place or none; without the method descriptors are read anew each time.
   */
  descriptorAddress?(selector: number): number;
  /**
   * @param out receives EAX EBX ECX EDX
   * @returns false when CPUID faults here: #GP(0)
   */
  cpuid(leaf: number, subleaf: number, out: Uint32Array): boolean;
  /** Time-stamp counter, an integer below 2^53. */
  rdtsc(): number;
}
