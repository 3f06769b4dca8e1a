/** Console: the emergency hypercall and the shared ring. Source: xen/include/public/xen.h, io/console.h @ RELEASE-4.18.0 */
import { bytes, struct, u32 } from './struct.ts';

export const CONSOLEIO_write = 0;
export const CONSOLEIO_read = 1;
/** Sub-operations of console_io, by name. */
export const CONSOLEIO = { CONSOLEIO_write, CONSOLEIO_read } as const;

/** Bytes of the two directions of the console ring; powers of two, so an index is masked with size - 1. */
export const XENCONS_IN_SIZE = 1024;
export const XENCONS_OUT_SIZE = 2048;

/** struct xencons_interface. `in` flows to the guest, `out` from it; indices run free. */
export const XenconsInterface = struct('xencons_interface', {
  in: bytes(XENCONS_IN_SIZE),
  out: bytes(XENCONS_OUT_SIZE),
  in_cons: u32, // [GST]
  in_prod: u32, // [backend]
  out_cons: u32, // [backend]
  out_prod: u32, // [GST]
});
