/** Batches of hypercalls. Source: xen/include/public/xen.h @ RELEASE-4.18.0 */
import { array, struct, ulong } from './struct.ts';

/** struct multicall_entry. */
export const MulticallEntry = struct('multicall_entry', {
  op: ulong, // hypercall number           IN
  result: ulong, // what the call returned OUT
  args: array(ulong, 6), // the first five count IN
});
