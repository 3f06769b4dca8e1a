import { get16, set16, set32 } from '../wire/bytes.ts';

export const DNS_PORT = 53;

/** Record types. */
export const DNS_A = 1;
export const DNS_CNAME = 5;
export const DNS_PTR = 12;
export const DNS_AAAA = 28;
const CLASS_IN = 1;

/** Response codes. */
export const DNS_NOERROR = 0;
export const DNS_FORMERR = 1;
export const DNS_SERVFAIL = 2;
export const DNS_NXDOMAIN = 3;
export const DNS_NOTIMP = 4;
export const DNS_REFUSED = 5;

const HEADER_BYTES = 12;
const MAX_NAME_BYTES = 255;
/** Far more than any real message holds. */
const MAX_RECORDS = 256;

/** What is asked. */
export interface DnsQuestion {
  /** Labels with dots between, no dot at the end; bytes above 127 as Latin-1. */
  readonly name: string;
  readonly type: number;
}

/** What is answered. */
export interface DnsRecord extends DnsQuestion {
  readonly ttlSeconds: number;
  readonly data: Uint8Array;
}

/** A DNS message (RFC 1035 section 4), without the authority and additional sections. */
export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly truncated: boolean;
  readonly rcode: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
}

/** Reads a name, following pointers only backwards. @returns the name and where the next field is */
function readName(bytes: Uint8Array, from: number): { name: string; next: number } | undefined {
  const labels: string[] = [];
  let at = from;
  let next = -1;
  let lowest = from;
  let lengthBytes = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return { name: labels.join('.'), next: next === -1 ? at + 1 : next };
    if (length >= 0xc0) {
      if (at + 1 >= bytes.length) return undefined;
      const target = get16(bytes, at) & 0x3fff;
      if (target >= lowest) return undefined;
      if (next === -1) next = at + 2;
      lowest = target;
      at = target;
      continue;
    }
    lengthBytes += length + 1;
    if (length > 63 || at + 1 + length > bytes.length || lengthBytes > MAX_NAME_BYTES) return undefined;
    labels.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
}

/** @returns undefined if the message is malformed up to the end of its answers */
export function parseDns(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const flags = get16(bytes, 2);
  const [nrQuestions, nrAnswers] = [get16(bytes, 4), get16(bytes, 6)];
  if (nrQuestions + nrAnswers > MAX_RECORDS) return undefined;
  let at = HEADER_BYTES;
  const questions: DnsQuestion[] = [];
  for (let index = 0; index < nrQuestions; index++) {
    const name = readName(bytes, at);
    if (name === undefined || name.next + 4 > bytes.length) return undefined;
    questions.push({ name: name.name, type: get16(bytes, name.next) });
    at = name.next + 4;
  }
  const answers: DnsRecord[] = [];
  for (let index = 0; index < nrAnswers; index++) {
    const name = readName(bytes, at);
    if (name === undefined || name.next + 10 > bytes.length) return undefined;
    const data = name.next + 10;
    const end = data + get16(bytes, data - 2);
    if (end > bytes.length) return undefined;
    const ttlSeconds = get16(bytes, name.next + 4) * 0x10000 + get16(bytes, name.next + 6);
    const type = get16(bytes, name.next);
    answers.push({ name: name.name, type, ttlSeconds, data: bytes.slice(data, end) });
    at = end;
  }
  return {
    id: get16(bytes, 0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & 0x100) !== 0,
    truncated: (flags & 0x200) !== 0,
    rcode: flags & 15,
    ...{ questions, answers },
  };
}

/** @returns undefined if a name cannot be encoded: an empty label, one of more than 63 bytes, or more than 255 in all */
export function encodeDns(message: DnsMessage): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  const header = new Uint8Array(HEADER_BYTES);
  set16(header, 0, message.id);
  const { response, opcode, recursionDesired, truncated, rcode } = message;
  const bits = (response ? 0x8080 : 0) | (recursionDesired ? 0x100 : 0) | (truncated ? 0x200 : 0);
  set16(header, 2, bits | (opcode << 11) | rcode);
  set16(header, 4, message.questions.length);
  set16(header, 6, message.answers.length);
  parts.push(header);
  for (const { name, type } of message.questions) {
    const encoded = encodeName(name, 4);
    if (encoded === undefined) return undefined;
    set16(encoded, encoded.length - 4, type);
    set16(encoded, encoded.length - 2, CLASS_IN);
    parts.push(encoded);
  }
  for (const { name, type, ttlSeconds, data } of message.answers) {
    const encoded = encodeName(name, 10);
    if (encoded === undefined) return undefined;
    const at = encoded.length - 10;
    set16(encoded, at, type);
    set16(encoded, at + 2, CLASS_IN);
    set32(encoded, at + 4, ttlSeconds);
    set16(encoded, at + 8, data.length);
    parts.push(encoded, data);
  }
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A name as labels, and room after it. */
function encodeName(name: string, room: number): Uint8Array | undefined {
  const labels = name === '' ? [] : name.split('.');
  const lengthBytes = labels.reduce((sum, label) => sum + label.length + 1, 1);
  if (lengthBytes > MAX_NAME_BYTES || labels.some(({ length }) => length === 0 || length > 63))
    return undefined;
  const bytes = new Uint8Array(lengthBytes + room);
  let at = 0;
  for (const label of labels) {
    bytes[at++] = label.length;
    for (let index = 0; index < label.length; index++) bytes[at++] = label.charCodeAt(index);
  }
  return bytes;
}
