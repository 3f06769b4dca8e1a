/** cpio archives in the "newc" format, as initramfs images have them. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst. */
import { toByteString } from '../abi/bytes.ts';

/** One member. */
export interface CpioMember {
  readonly name: string;
  readonly ino: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of the file system that it came from: tells hard links apart together with `ino`. */
  readonly devMajor: number;
  readonly devMinor: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly data: Uint8Array;
}

const HEADER_BYTES = 110;
const TRAILER = 'TRAILER!!!';

/** Reads archives one after the other, with zero bytes between them. @returns the members, and what was wrong if something was */
export function readCpio(image: Uint8Array): { members: CpioMember[]; error?: string } {
  const members: CpioMember[] = [];
  let at = 0;
  for (;;) {
    while (at < image.length && image[at] === 0) at++;
    if (at >= image.length) return { members };
    const member = readMember(image, at);
    if (typeof member === 'string') return { members, error: member };
    at = member.end;
    if (member.name !== TRAILER) members.push(member);
  }
}

function readMember(image: Uint8Array, at: number): (CpioMember & { end: number }) | string {
  if (at + HEADER_BYTES > image.length) return 'unexpected end of the archive';
  const magic = latin1(image, at, 6);
  if (magic === '070707') return 'incorrect cpio method used: use -H newc option';
  if (magic !== '070701' && magic !== '070702') return 'no cpio magic';
  const fields: number[] = [];
  for (let index = 0; index < 13; index++) {
    const text = latin1(image, at + 6 + 8 * index, 8);
    if (!/^[0-9a-fA-F]{8}$/.test(text)) return 'no number where one belongs';
    fields.push(Number.parseInt(text, 16));
  }
  const [ino, mode, uid, gid, nlink, mtime, size, devMajor, devMinor, rdevMajor, rdevMinor, nameBytes] =
    fields;
  const nameEnd = at + HEADER_BYTES + nameBytes!;
  const start = align4(nameEnd, at);
  const end = start + size!;
  if (nameBytes === 0 || nameEnd > image.length || end > image.length) return 'unexpected end of the archive';
  return {
    name: latin1(image, at + HEADER_BYTES, nameBytes! - 1),
    ino: ino!,
    mode: mode!,
    uid: uid!,
    gid: gid!,
    nlink: nlink!,
    mtime: mtime!,
    devMajor: devMajor!,
    devMinor: devMinor!,
    rdevMajor: rdevMajor!,
    rdevMinor: rdevMinor!,
    data: image.subarray(start, end),
    end: align4(end, at),
  };
}

/** Members begin at multiples of 4 from the start of their archive's member. */
function align4(offset: number, base: number): number {
  return base + ((offset - base + 3) & ~3);
}

function latin1(bytes: Uint8Array, at: number, length: number): string {
  return toByteString(bytes.subarray(at, at + length));
}
