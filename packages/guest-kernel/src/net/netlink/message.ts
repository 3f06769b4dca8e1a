/** Netlink messages and their attributes, as bytes. Source: netlink(7) */

const HEADER_BYTES = 16;
const align = (bytes: number): number => (bytes + 3) & ~3;

export interface NetlinkMessage {
  readonly type: number;
  /** NLM_F_*. */
  readonly flags: number;
  readonly sequence: number;
  /** With its header. */
  readonly bytes: Uint8Array;
  /** What follows the header. */
  readonly payload: DataView;
}

/** The messages of a datagram; it ends where something is not one. */
export function* messagesOf(data: Uint8Array): Generator<NetlinkMessage> {
  for (let at = 0; at + HEADER_BYTES <= data.length; ) {
    const view = new DataView(data.buffer, data.byteOffset + at, data.length - at);
    const length = view.getUint32(0, true);
    if (length < HEADER_BYTES || length > data.length - at) return;
    yield {
      type: view.getUint16(4, true),
      flags: view.getUint16(6, true),
      sequence: view.getUint32(8, true),
      bytes: data.subarray(at, at + length),
      payload: new DataView(data.buffer, data.byteOffset + at + HEADER_BYTES, length - HEADER_BYTES),
    };
    at += align(length);
  }
}

/** The attributes behind a fixed part of `from` bytes, by type; of several of a type the last. */
export function attributesOf(payload: DataView, from: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = from; at + 4 <= payload.byteLength; ) {
    const length = payload.getUint16(at, true);
    if (length < 4 || at + length > payload.byteLength) break;
    const value = new DataView(payload.buffer, payload.byteOffset + at + 4, length - 4);
    found.set(payload.getUint16(at + 2, true) & 0x3fff, value);
    at += align(length);
  }
  return found;
}

/** A value of an attribute: a word, an IPv4 or other address in bytes, text with its NUL. */
export type AttributeValue = number | Uint8Array | string;

function bytesOf(value: AttributeValue): Uint8Array {
  if (typeof value === 'number') return new Uint8Array(Uint32Array.of(value).buffer);
  if (typeof value === 'string') return Uint8Array.from(`${value}\0`, (c) => c.charCodeAt(0));
  return value;
}

/** A message without its addressing: type, the fixed part, attributes. */
export interface Answer {
  readonly type: number;
  readonly fixed: Uint8Array;
  readonly attributes?: readonly (readonly [type: number, value: AttributeValue])[];
}

/** @param port of whom the message is for; @param flags NLM_F_* */
export function encode(
  { type, fixed, attributes = [] }: Answer,
  to: { readonly port: number; readonly sequence: number },
  flags: number,
): Uint8Array {
  const values = attributes.map(([kind, value]) => [kind, bytesOf(value)] as const);
  const length = values.reduce(
    (sum, [, value]) => sum + align(4 + value.length),
    HEADER_BYTES + align(fixed.length),
  );
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, to.sequence, true);
  view.setUint32(12, to.port, true);
  out.set(fixed, HEADER_BYTES);
  let at = HEADER_BYTES + align(fixed.length);
  for (const [kind, value] of values) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, kind, true);
    out.set(value, at + 4);
    at += align(4 + value.length);
  }
  return out;
}
