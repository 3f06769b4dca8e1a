/** Message queues of msgget. Source: msgop(2), msgctl(2), linux ipc/msg.c. */
import { E } from '../abi/errno.ts';
import { MSG_EXCEPT, MSG_NOERROR } from '../abi/ipc.ts';
import type { Credentials } from '../fs/types.ts';
import { WaitQueue } from '../task/wait.ts';
import { type IpcBirth, IpcIds, IpcObject } from './ids.ts';
import type { IpcHost } from './shared-memory.ts';

export interface Message {
  readonly type: number;
  readonly text: Uint8Array;
}

/** What a receiver takes. */
export interface Wish {
  /** 0: any; below: the lowest type up to its value; above: that type, or any other with MSG_EXCEPT. */
  readonly type: number;
  readonly flags: number;
  readonly maxBytes: number;
}

/** A receiver that waits. */
export interface Receiver {
  readonly wish: Wish;
  readonly pid: number;
  readonly queue: WaitQueue;
  /** Set when it has got something, or there is nothing to wait for any more. */
  result: Message | number | undefined;
}

/** Bytes of queues in relation to memory, as Linux had it: a 32nd. */
const MEMORY_SHARE = 32;
const MSGMNB = 16_384;
/** Messages in all queues. */
const MAX_MESSAGES = 1 << 17;

export class MessageQueue extends IpcObject {
  readonly messages: Message[] = [];
  bytes = 0;
  maxBytes: number;
  sendTime = 0n;
  receiveTime = 0n;
  lastSender = 0;
  lastReceiver = 0;
  readonly receivers: Set<Receiver> = new Set();
  /** Woken when there is room, or the queue has gone. */
  readonly room: WaitQueue = new WaitQueue();

  constructor(birth: IpcBirth, maxBytes: number) {
    super(birth);
    this.maxBytes = maxBytes;
  }

  /** @returns where the message is that a receiver wants, or -1 */
  find({ type, flags }: Wish): number {
    if (type === 0) return this.messages.length > 0 ? 0 : -1;
    if (type > 0) return this.messages.findIndex((each) => matches(each, type, flags));
    let found = -1;
    for (const [i, message] of this.messages.entries())
      if (message.type <= -type && (found < 0 || message.type < this.messages[found].type)) found = i;
    return found;
  }
}

function matches(message: Message, type: number, flags: number): boolean {
  if (type === 0) return true;
  if (type < 0) return message.type <= -type;
  return (message.type === type) !== ((flags & MSG_EXCEPT) !== 0);
}

export class MessageQueues {
  readonly ids: IpcIds<MessageQueue> = new IpcIds();
  readonly host: IpcHost;
  /** Bytes of a message, bytes of a queue, queues. */
  readonly limits: { msgmax: number; msgmnb: number; msgmni: number };
  #messages = 0;
  #bytes = 0;

  constructor(host: IpcHost, memoryBytes: number) {
    this.host = host;
    const share = Math.floor(memoryBytes / MEMORY_SHARE / MSGMNB);
    this.limits = { msgmax: 8192, msgmnb: MSGMNB, msgmni: Math.min(Math.max(share, 16), 32_000) };
  }

  /** Messages in all queues, and their bytes. */
  get totals(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  get(key: number, flags: number, cred: Credentials): number {
    return this.ids.get({
      ...{ key, flags, cred, now: this.host.now(), max: this.limits.msgmni },
      make: (birth) => new MessageQueue(birth, this.limits.msgmnb),
      accept: () => 0,
    });
  }

  hasRoom(queue: MessageQueue, lengthBytes: number): boolean {
    return (
      queue.bytes + lengthBytes <= queue.maxBytes &&
      queue.messages.length < queue.maxBytes &&
      this.#messages < MAX_MESSAGES
    );
  }

  /** Gives a message to the first receiver that wants it, or queues it. Preconditions: there is room */
  send(queue: MessageQueue, message: Message): void {
    queue.lastSender = this.host.currentPid();
    queue.sendTime = this.host.now();
    for (const receiver of queue.receivers) {
      const { wish } = receiver;
      if (!matches(message, wish.type, wish.flags)) continue;
      const fits = message.text.length <= wish.maxBytes || (wish.flags & MSG_NOERROR) !== 0;
      this.#finish(queue, receiver, fits ? message : -E.TOOBIG);
      if (!fits) continue;
      queue.lastReceiver = receiver.pid;
      queue.receiveTime = this.host.now();
      return;
    }
    queue.messages.push(message);
    queue.bytes += message.text.length;
    this.#messages++;
    this.#bytes += message.text.length;
  }

  /** @returns the message that a receiver wants, -E2BIG, or undefined if there is none */
  receive(queue: MessageQueue, wish: Wish): Message | number | undefined {
    const at = queue.find(wish);
    if (at < 0) return undefined;
    const message = queue.messages[at];
    if (message.text.length > wish.maxBytes && !(wish.flags & MSG_NOERROR)) return -E.TOOBIG;
    queue.messages.splice(at, 1);
    queue.bytes -= message.text.length;
    this.#messages--;
    this.#bytes -= message.text.length;
    queue.lastReceiver = this.host.currentPid();
    queue.receiveTime = this.host.now();
    queue.room.wakeAll();
    return message;
  }

  remove(queue: MessageQueue): void {
    this.ids.remove(queue);
    this.#messages -= queue.messages.length;
    this.#bytes -= queue.bytes;
    for (const receiver of queue.receivers) this.#finish(queue, receiver, -E.IDRM);
    queue.messages.length = 0;
    queue.room.wakeAll();
  }

  #finish(queue: MessageQueue, receiver: Receiver, result: Message | number): void {
    queue.receivers.delete(receiver);
    receiver.result = result;
    receiver.queue.wakeAll();
  }
}
