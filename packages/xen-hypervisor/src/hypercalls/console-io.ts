import {
  __HYPERVISOR_console_io,
  CONSOLEIO_read,
  CONSOLEIO_write,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import type { Domain } from '../domain.ts';

const CHUNK_BYTES = 128;
const LINE_LIMIT = 1024;

/**
 * HYPERVISOR_console_io, the emergency console: writes are passed on line by line, reads find nothing. A domU of a release
 * build of Xen is refused here; as in a debug build, it is not.
 * @returns 0 for a write, the number of bytes for a read; -EINVAL, -EFAULT, -ENOSYS unknown command
 * Source: xen/drivers/char/console.c, "do_console_io" @ RELEASE-4.18.0
 */
export function consoleIo(caller: Caller, cmd: number, count: number, buffer: number): number {
  if (count >>> 31 !== 0) return -XEN_EINVAL;
  switch (cmd) {
    case CONSOLEIO_write:
      return write(caller, count, buffer);
    case CONSOLEIO_read:
      return 0;
    default:
      return -XEN_ENOSYS;
  }
}

function write(caller: Caller, count: number, buffer: number): number {
  const { work } = caller.machine;
  for (let done = 0; done < count; done += CHUNK_BYTES) {
    if (done > 0 && work.exhausted)
      return work.continueAs(__HYPERVISOR_console_io, CONSOLEIO_write, count - done, buffer + done);
    work.charge(1);
    const bytes = caller.mem.read(buffer + done, Math.min(CHUNK_BYTES, count - done));
    if (bytes === null) return -XEN_EFAULT;
    for (const byte of bytes) append(caller.domain, byte);
  }
  return 0;
}

function append(domain: Domain, byte: number): void {
  const isNewline = byte === 0x0a;
  if (!isNewline && byte !== 0) domain.consoleLine += String.fromCharCode(byte);
  if (!isNewline && domain.consoleLine.length < LINE_LIMIT) return;
  domain.onConsoleLine?.(domain.consoleLine);
  domain.consoleLine = '';
}
