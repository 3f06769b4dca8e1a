/** Writes cpio archives in the "newc" format. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst. */

/** A file, directory or link to be; owned by root. */
export interface ArchiveMember {
  /** Without a slash at the start. */
  readonly name: string;
  /** S_IFMT and permissions. */
  readonly mode: number;
  /** What a file holds, or what a symbolic link names. */
  readonly data?: Uint8Array;
  /** Of a device node. */
  readonly rdev?: { readonly major: number; readonly minor: number };
}

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';

const aligned = (n: number): number => (n + 3) & ~3;

/** @returns the archive, members in the order given */
export function writeCpio(members: readonly ArchiveMember[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = [...members, { name: TRAILER, mode: 0 }].map((member, i) =>
    encodeMember(member, encoder.encode(member.name), i + 1),
  );
  const archive = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

function encodeMember({ mode, data, rdev }: ArchiveMember, name: Uint8Array, ino: number): Uint8Array {
  const size = data?.length ?? 0;
  const fields = [ino, mode, 0, 0, 1, 0, size, 0, 0, rdev?.major ?? 0, rdev?.minor ?? 0, name.length + 1, 0];
  const header = MAGIC + fields.map((v) => v.toString(16).padStart(8, '0')).join('');
  const dataAt = aligned(header.length + name.length + 1);
  const bytes = new Uint8Array(aligned(dataAt + size));
  bytes.set(new TextEncoder().encode(header));
  bytes.set(name, header.length);
  if (data) bytes.set(data, dataAt);
  return bytes;
}
