import { closeSync, openSync, writeSync } from 'node:fs';
import { coreDump } from '@domu/toolstack';
import type { Domain } from '@domu/xen-hypervisor';

/** What was in a guest's memory is nobody else's business. */
const OWNER_ONLY = 0o600;

/**
 * Writes a core dump of a stopped domain. A dump that cannot be written ends nothing.
 * @returns null, or why there is none
 */
export function writeCore(file: string, domain: Domain): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(file, 'w', OWNER_ONLY);
    for (const bytes of coreDump(domain)) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    }
    return null;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return `no core dump: ${file} cannot be written (${error.code})`;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}
