import { gzipSync } from 'node:zlib';
import { encodeNotes, type TestNote } from '@domu/testkit';

const EHDR_BYTES = 64;
const PHDR_BYTES = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;

/** A 64-bit kernel with Xen notes, whose addresses lie where those of 64-bit kernels do. */
export function kernel64(notes: readonly TestNote[], machine = 62): Uint8Array {
  const noteBytes = encodeNotes(notes);
  const notesAt = EHDR_BYTES + 2 * PHDR_BYTES;
  const file = new Uint8Array(notesAt + noteBytes.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0xffff_ffff_8100_0000n, true);
  view.setBigUint64(32, BigInt(EHDR_BYTES), true);
  view.setUint16(52, EHDR_BYTES, true);
  view.setUint16(54, PHDR_BYTES, true);
  view.setUint16(56, 2, true);
  const segment = (i: number, type: number, offset: number, length: number): void => {
    const at = EHDR_BYTES + i * PHDR_BYTES;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, 5, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 24, 0xffff_ffff_8100_0000n, true);
    view.setBigUint64(at + 32, BigInt(length), true);
    view.setBigUint64(at + 40, BigInt(length), true);
  };
  segment(0, PT_LOAD, 0, file.length);
  segment(1, PT_NOTE, notesAt, noteBytes.length);
  file.set(noteBytes, notesAt);
  return file;
}

/** A bzImage of boot protocol 2.13 with a kernel packed into it by gzip. */
export function bzImageOf(kernel: Uint8Array, version: string): Uint8Array {
  const payload = gzipSync(kernel);
  const start = 1024 + 0x80;
  const bytes = new Uint8Array(start + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 1);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x5372_6448, true);
  view.setUint16(0x206, 0x020d, true);
  view.setUint16(0x20e, 0x100, true);
  view.setUint32(0x248, 0x80, true);
  view.setUint32(0x24c, payload.length, true);
  bytes.set(new TextEncoder().encode(version), 0x300);
  bytes.set(payload, start);
  return bytes;
}
