import type { Packet } from '../ip/ipv4.ts';
import { get16, get32, set16, set32 } from '../wire/bytes.ts';
import type { Seq } from './seq.ts';

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

export const TCP_HEADER_BYTES = 20;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
/** RFC 7323 section 2.3. */
export const MAX_WINDOW_SCALE = 14;

/** A segment that came in. */
export interface Segment {
  readonly packet: Packet;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: Seq;
  readonly ack: Seq;
  readonly flags: number;
  /** As sent, unscaled. */
  readonly window: number;
  /** Borrowed: valid during the call. */
  readonly payload: Uint8Array;
  /** Where the options lie in the packet's data. */
  readonly options: number;
  readonly optionsEnd: number;
}

/** What a SYN says about its sender. */
export interface SynOptions {
  /** Undefined: the option was not there. */
  mss: number | undefined;
  windowScale: number | undefined;
  sackPermitted: boolean;
}

/** @returns undefined if the header is malformed */
export function parseSegment(packet: Packet): Segment | undefined {
  const { data, payload: at, end } = packet;
  if (end - at < TCP_HEADER_BYTES) return undefined;
  const optionsEnd = at + (data[at + 12]! >> 4) * 4;
  if (optionsEnd < at + TCP_HEADER_BYTES || optionsEnd > end) return undefined;
  return {
    packet,
    sourcePort: get16(data, at),
    destinationPort: get16(data, at + 2),
    seq: get32(data, at + 4),
    ack: get32(data, at + 8),
    flags: data[at + 13]!,
    window: get16(data, at + 14),
    payload: data.subarray(optionsEnd, end),
    options: at + TCP_HEADER_BYTES,
    optionsEnd,
  };
}

/** Calls back for each well-formed option; stops at the first malformed one. */
function forEachOption(
  { packet: { data }, options, optionsEnd }: Segment,
  visit: (kind: number, at: number, lengthBytes: number) => void,
): void {
  for (let at = options; at < optionsEnd; ) {
    const kind = data[at]!;
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    const lengthBytes = at + 1 < optionsEnd ? data[at + 1]! : 0;
    if (lengthBytes < 2 || at + lengthBytes > optionsEnd) return;
    visit(kind, at, lengthBytes);
    at += lengthBytes;
  }
}

export function parseSynOptions(segment: Segment): SynOptions {
  const { data } = segment.packet;
  const result: SynOptions = { mss: undefined, windowScale: undefined, sackPermitted: false };
  forEachOption(segment, (kind, at, lengthBytes) => {
    if (kind === OPTION_MSS && lengthBytes === 4) result.mss = get16(data, at + 2);
    if (kind === OPTION_WINDOW_SCALE && lengthBytes === 3)
      result.windowScale = Math.min(data[at + 2]!, MAX_WINDOW_SCALE);
    if (kind === OPTION_SACK_PERMITTED && lengthBytes === 2) result.sackPermitted = true;
  });
  return result;
}

/** What goes into a header. */
export interface HeaderFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: Seq;
  readonly ack: Seq;
  readonly flags: number;
  /** As sent: 16 bits. */
  readonly window: number;
  readonly syn?: SynOptions;
  /** At most 4 blocks. */
  readonly sack?: readonly (readonly [Seq, Seq])[];
}

/** Writes a header with options, its checksum zero. @returns its length in bytes, at most 60 */
export function writeHeader(data: Uint8Array, at: number, fields: HeaderFields): number {
  set16(data, at, fields.sourcePort);
  set16(data, at + 2, fields.destinationPort);
  set32(data, at + 4, fields.seq);
  set32(data, at + 8, fields.ack);
  data[at + 13] = fields.flags;
  set16(data, at + 14, fields.window);
  set32(data, at + 16, 0);
  let end = at + TCP_HEADER_BYTES;
  if (fields.syn !== undefined) end = writeSynOptions(data, end, fields.syn);
  if (fields.sack !== undefined && fields.sack.length > 0) {
    set32(
      data,
      end,
      (OPTION_NOP << 24) | (OPTION_NOP << 16) | (OPTION_SACK << 8) | (2 + 8 * fields.sack.length),
    );
    end += 4;
    for (const [from, to] of fields.sack) {
      set32(data, end, from);
      set32(data, end + 4, to);
      end += 8;
    }
  }
  data[at + 12] = ((end - at) >> 2) << 4;
  return end - at;
}

function writeSynOptions(data: Uint8Array, from: number, syn: SynOptions): number {
  let at = from;
  if (syn.mss !== undefined) {
    set32(data, at, 0x02040000 | syn.mss);
    at += 4;
  }
  if (syn.windowScale !== undefined) {
    set32(data, at, 0x01030300 | syn.windowScale);
    at += 4;
  }
  if (syn.sackPermitted) {
    set32(data, at, 0x01010402);
    at += 4;
  }
  return at;
}
