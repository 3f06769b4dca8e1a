import { XENSTORE_PAYLOAD_MAX, XS_WATCH_EVENT, XsdSockmsg } from '@domu/xen-abi';
import { nulTerminated } from './payload.ts';

interface Message {
  readonly bytes: Uint8Array;
  /** Identity of a watch event, null for a reply. */
  readonly event: string | null;
}

/** Messages on their way to one client, in order, with the limits that keep a client from filling our memory. */
export class OutputQueue {
  /** Replies that have not gone out completely. */
  nrReplies = 0;
  readonly #maxBytes: number;
  readonly #events = new Set<string>();
  #messages: Message[] = [];
  /** Messages before this one have gone out. */
  #head = 0;
  #sent = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  addReply(type: number, reqId: number, txId: number, payload: Uint8Array): void {
    this.nrReplies++;
    this.#add({ bytes: encode(type, reqId, txId, payload), event: null });
  }

  /**
   * Queues a watch event, unless the same one is still waiting (special events are always told), it is too long to
   * be sent, or the client has let too much pile up.
   */
  addEvent(path: string, token: string): void {
    const payload = nulTerminated([path, token]);
    if (payload.length > XENSTORE_PAYLOAD_MAX || this.#bytes + payload.length > this.#maxBytes) return;
    const event = path.startsWith('@') ? '' : `${path}\0${token}`;
    if (this.#events.has(event)) return;
    if (event !== '') this.#events.add(event);
    this.#add({ bytes: encode(XS_WATCH_EVENT, 0, 0, payload), event });
  }

  /** @returns the next bytes to send, at most `room` */
  take(room: number): Uint8Array {
    const head = this.#messages[this.#head];
    if (head === undefined) return new Uint8Array(0);
    const chunk = head.bytes.subarray(this.#sent, this.#sent + room);
    this.#sent += chunk.length;
    if (this.#sent === head.bytes.length) {
      this.#head++;
      if (this.#head * 2 >= this.#messages.length) {
        this.#messages = this.#messages.slice(this.#head);
        this.#head = 0;
      }
      this.#sent = 0;
      this.#bytes -= head.bytes.length;
      if (head.event === null) this.nrReplies--;
      else this.#events.delete(head.event);
    }
    return chunk;
  }

  clear(): void {
    this.#messages = [];
    this.#events.clear();
    this.#head = 0;
    this.#sent = 0;
    this.#bytes = 0;
    this.nrReplies = 0;
  }

  #add(message: Message): void {
    this.#messages.push(message);
    this.#bytes += message.bytes.length;
  }
}

function encode(type: number, reqId: number, txId: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(XsdSockmsg.size + payload.length);
  const view = new DataView(bytes.buffer);
  XsdSockmsg.type.set(view, 0, type);
  XsdSockmsg.req_id.set(view, 0, reqId);
  XsdSockmsg.tx_id.set(view, 0, txId);
  XsdSockmsg.len.set(view, 0, payload.length);
  bytes.set(payload, XsdSockmsg.size);
  return bytes;
}
