/** What has been sent to a Unix socket and not yet received. */
import { E } from '../abi/errno.ts';
import { MSG_PEEK, MSG_TRUNC } from '../abi/socket.ts';
import { letGo, retain } from '../fs/file-handle.ts';
import type { Holdings } from '../fs/holdings.ts';
import type { FileHandle } from '../fs/types.ts';
import type { InMessage } from './socket.ts';

/** What a record costs besides its bytes. */
const OVERHEAD = 256;

/** One message, or one piece of a stream. */
interface InRecord {
  data: Uint8Array;
  /** Held for the receiver; given out with the first byte. */
  rights: readonly FileHandle[];
  readonly from: Uint8Array;
  /** pid, uid, gid. */
  readonly credentials: readonly [number, number, number];
}

/** A queue of records; whoever puts something in looks at `bytes` first. */
export class Inbox {
  /** Bytes with what goes with them: what a limit is held against. */
  bytes = 0;
  readonly #holdings: Holdings;
  #records: InRecord[] = [];

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  get first(): InRecord | undefined {
    return this.#records[0];
  }

  /** Bytes that a receive would give: of a stream all of them. */
  readable(isStream: boolean): number {
    const records = isStream ? this.#records : this.#records.slice(0, 1);
    return records.reduce((sum, { data }) => sum + data.length, 0);
  }

  /** @returns 0, with room for a record made sure of, or -ENOBUFS, -ETOOMANYREFS: the kernel holds too much already */
  makeRoom(lengthBytes: number, rights: number): number {
    if (!this.#holdings.takeFiles(rights)) return -E.TOOMANYREFS;
    if (this.#holdings.takeBytes(lengthBytes + OVERHEAD)) return 0;
    this.#holdings.files -= rights;
    return -E.NOBUFS;
  }

  /** Preconditions: there is room for it, see {@link makeRoom} */
  put(record: InRecord): void {
    this.#records.push(record);
    this.bytes += record.data.length + OVERHEAD;
  }

  /** Takes the first message, cut to the buffer. Preconditions: it is not empty */
  takeMessage(into: Uint8Array, flags: number): InMessage {
    const record = this.#records[0]!;
    const { data, from, credentials } = record;
    const count = Math.min(into.length, data.length);
    into.set(data.subarray(0, count));
    const peek = (flags & MSG_PEEK) !== 0;
    const rights = peek ? record.rights.map(retain) : record.rights;
    if (!peek) this.#shift();
    const cut = count < data.length ? MSG_TRUNC : 0;
    return { count, whole: data.length, flags: cut, from, rights, credentials };
  }

  /** Takes bytes of the stream, up to where other files come with it. Preconditions: it is not empty */
  takeBytes(into: Uint8Array, flags: number): InMessage {
    const { from, credentials, rights } = this.#records[0]!;
    const peek = (flags & MSG_PEEK) !== 0;
    const given = into.length === 0 ? [] : peek ? rights.map(retain) : rights;
    let count = 0;
    for (let index = 0; count < into.length; ) {
      const record = this.#records[index];
      const differs = record?.credentials.some((id, at) => id !== credentials[at]);
      if (record === undefined || (count > 0 && (record.rights.length > 0 || differs))) break;
      const part = record.data.subarray(0, into.length - count);
      into.set(part, count);
      count += part.length;
      if (peek) index++;
      else this.#advance(record, part.length);
      if (given.length > 0) break;
    }
    return { count, whole: count, flags: 0, from, rights: given, credentials };
  }

  /** Lets go of everything. */
  clear(): void {
    for (const { rights } of this.#records) for (const handle of rights) letGo(handle);
    for (const { rights } of this.#records) this.#holdings.files -= rights.length;
    this.#holdings.bytes -= this.bytes;
    this.#records = [];
    this.bytes = 0;
  }

  #advance(record: InRecord, count: number): void {
    this.#holdings.files -= record.rights.length;
    record.rights = [];
    if (count === record.data.length) return this.#shift();
    record.data = record.data.subarray(count);
    this.bytes -= count;
    this.#holdings.bytes -= count;
  }

  #shift(): void {
    const record = this.#records.shift()!;
    this.bytes -= record.data.length + OVERHEAD;
    this.#holdings.bytes -= record.data.length + OVERHEAD;
    this.#holdings.files -= record.rights.length;
  }
}
