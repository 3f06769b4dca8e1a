import { cString } from '../elf/elf.ts';

/** Fields of the setup header. Source: Documentation/x86/boot.txt (Linux) */
const VERSION_AT = 0x206;
const KERNEL_VERSION_AT = 0x20e;
const XLOADFLAGS_AT = 0x236;
/** kernel_version counts from here. */
const SETUP_AT = 0x200;
const VERSION_XLOADFLAGS = 0x020c;
const XLF_KERNEL_64 = 1;

/** What a bzImage says about itself. */
export interface BzImageHeader {
  /** Of the boot protocol: "2.15". */
  readonly protocol: string;
  /** "6.1.0-50-686-pae (…) #1 SMP …", or '' when it does not say. */
  readonly version: string;
  /** It may be entered in 64-bit mode: a kernel for x86-64. */
  readonly is64Bit: boolean;
}

/** Preconditions: isBzImage */
export function readBzImageHeader(bytes: Uint8Array): BzImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const protocol = view.getUint16(VERSION_AT, true);
  const at = view.getUint16(KERNEL_VERSION_AT, true);
  return {
    protocol: `${protocol >> 8}.${protocol & 255}`,
    version:
      at === 0
        ? ''
        : cString(bytes.subarray(SETUP_AT + at, SETUP_AT + at + 256)).replace(/[^\x20-\x7e]/g, '?'),
    is64Bit: protocol >= VERSION_XLOADFLAGS && (view.getUint16(XLOADFLAGS_AT, true) & XLF_KERNEL_64) !== 0,
  };
}
