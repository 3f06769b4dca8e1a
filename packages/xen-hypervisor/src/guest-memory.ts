/**
 * The current vCPU's memory as a hypercall sees it: flat linear addresses, supervisor rights, never demand-faulting.
 * Every address range must lie below HYPERVISOR_VIRT_START. A failed access reads as null / -1 / false and the handler
 * returns -XEN_EFAULT. A write may have been done in part when it fails, as in Xen.
 * Source: xen/include/asm-x86 compat_access_ok, xen/arch/x86/usercopy.c @ RELEASE-4.18.0
 */
export interface GuestMemory {
  /** @returns a private copy of `length` bytes, or null */
  read(va: number, length: number): Uint8Array | null;
  /** Fills `into` with a copy. @returns false when that is not readable */
  readInto(va: number, into: Uint8Array): boolean;
  /** @returns a DataView over a private copy, or null: for `Struct.field.get(view, 0)` */
  readView(va: number, length: number): DataView | null;
  write(va: number, bytes: Uint8Array): boolean;
  /** Writes the bytes behind a view (a struct that was read, changed, and goes back). */
  writeView(va: number, view: DataView): boolean;
  /** @returns the unsigned value, or -1 */
  readU8(va: number): number;
  readU16(va: number): number;
  readU32(va: number): number;
  writeU8(va: number, value: number): boolean;
  writeU16(va: number, value: number): boolean;
  writeU32(va: number, value: number): boolean;
  writeU64(va: number, lo: number, hi: number): boolean;
  /** @returns whether [va, va+length) lies below the hypervisor's window; says nothing about mappings */
  accessOk(va: number, length: number): boolean;
  /** @returns machine address behind `va` when the caller may access it so, or -1 */
  maddr(va: number, options: { write: boolean }): number;
}
