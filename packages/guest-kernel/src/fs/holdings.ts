/**
 * What processes make the kernel keep outside of the domain's memory, with an end to it: the host's memory is not theirs.
 * Linux has pipe-user-pages-soft, file-max and the domain's own memory in this place.
 */
const LEAST_BYTES = 16 << 20;
const LEAST_FILES = 65_536;
/** Of the domain's memory, for each file. */
const BYTES_PER_FILE = 2560;

export class Holdings {
  /** Bytes in pipes and in Unix sockets. */
  bytes = 0;
  /** Descriptors, and files on their way through sockets. */
  files = 0;
  readonly maxBytes: number;
  readonly maxFiles: number;

  /** @param memoryBytes the domain's memory */
  constructor(memoryBytes: number) {
    this.maxBytes = Math.max(LEAST_BYTES, memoryBytes);
    this.maxFiles = Math.max(LEAST_FILES, Math.floor(memoryBytes / BYTES_PER_FILE));
  }

  /** @returns false, with nothing taken, if that would be too much */
  takeBytes(count: number): boolean {
    if (this.bytes + count > this.maxBytes) return false;
    this.bytes += count;
    return true;
  }

  /** @returns false, with nothing taken, if that would be too many */
  takeFiles(count: number): boolean {
    if (this.files + count > this.maxFiles) return false;
    this.files += count;
    return true;
  }
}
