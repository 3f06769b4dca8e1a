/** For three bits that say which of the last three bytes looked like a CALL or JMP: may a branch follow, and how far back is the nearest. */
const MAY_FOLLOW = [true, true, true, false, true, false, false, false];
const NEAREST = [0, 1, 2, 2, 3, 3, 3, 3];
/** E8 (CALL) or E9 (JMP) and its displacement. */
const BRANCH_BYTES = 5;

/**
 * Undoes xz's x86 filter in place: CALL and JMP carry relative addresses again.
 * @param code a whole block of the stream; its first byte counts as address 0
 * Source: xz-file-format.txt 5.3.2; the filter's rules are those of the LZMA SDK's Bra86
 */
export function undoBcjX86(code: Uint8Array): void {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  let last = -1;
  let mask = 0;
  for (let i = 0; i + BRANCH_BYTES <= code.length; i++) {
    if ((code[i] & 0xfe) !== 0xe8) continue;
    const distance = i - last;
    mask = distance > 3 ? 0 : (mask << (distance - 1)) & 7;
    last = i;
    const blocked = mask !== 0 && (!MAY_FOLLOW[mask] || isSignByte(code[i + 4 - NEAREST[mask]]));
    if (blocked || !isSignByte(code[i + 4])) {
      mask = (mask << 1) | 1;
      continue;
    }
    const relative = toRelative(view.getUint32(i + 1, true), i + BRANCH_BYTES, mask);
    view.setUint32(i + 1, signExtend25(relative), true);
    i += BRANCH_BYTES - 1;
  }
}

function toRelative(absolute: number, next: number, mask: number): number {
  let from = absolute;
  for (;;) {
    const relative = (from - next) >>> 0;
    if (mask === 0) return relative;
    const bits = NEAREST[mask] * 8;
    if (!isSignByte((relative >>> (24 - bits)) & 0xff)) return relative;
    from = (relative ^ (2 ** (32 - bits) - 1)) >>> 0;
  }
}

function signExtend25(value: number): number {
  return ((value << 7) >> 7) >>> 0;
}

function isSignByte(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}
