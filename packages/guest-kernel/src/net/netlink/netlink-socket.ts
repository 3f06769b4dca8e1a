/** AF_NETLINK: questions to the kernel about its network. Nothing is told unasked. Source: netlink(7) */
import { CAP_NET_ADMIN } from '../../abi/capability.ts';
import { E } from '../../abi/errno.ts';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../../abi/fcntl.ts';
import * as N from '../../abi/netlink.ts';
import { capable } from '../../fs/permissions.ts';
import type { Caller, Inode } from '../../fs/types.ts';
import type { Op } from '../../task/wait.ts';
import { familyOf } from '../address.ts';
import { DatagramQueue } from '../datagrams.ts';
import type { NetSide } from '../net-side.ts';
import { type InMessage, type OutMessage, Socket } from '../socket.ts';
import { diagAnswer } from './diag.ts';
import { type Answer, encode, messagesOf, type NetlinkMessage } from './message.ts';
import { answer, isChange } from './route.ts';

const ADDRESS_BYTES = 12;
const HEADER_BYTES = 16;
/** What is told of many things is told in datagrams of about this size. */
const DUMP_BYTES = 4096;
const KNOWN_OPTIONS: ReadonlySet<number> = new Set([
  ...[N.NETLINK_ADD_MEMBERSHIP, N.NETLINK_DROP_MEMBERSHIP, N.NETLINK_PKTINFO],
  ...[N.NETLINK_CAP_ACK, N.NETLINK_EXT_ACK],
]);

/** struct sockaddr_nl. @param port 0: the kernel */
function encodeAddress(port: number, groups = 0): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, N.AF_NETLINK, true);
  view.setUint32(4, port, true);
  view.setUint32(8, groups, true);
  return bytes;
}

/** The port that an address names, or -errno. */
function portOf(address: Uint8Array): number {
  if (address.length < ADDRESS_BYTES || familyOf(address) !== N.AF_NETLINK) return -E.INVAL;
  return new DataView(address.buffer, address.byteOffset).getUint32(4, true);
}

export class NetlinkSocket extends Socket {
  readonly #queue: DatagramQueue = new DatagramQueue(this);
  #port = 0;
  /** Of notifications, which never come. */
  #groups = 0;

  constructor(net: NetSide, type: number, protocol: number, inode: Inode) {
    super(net, { domain: N.AF_NETLINK, type, protocol }, inode);
  }

  get #isDiag(): boolean {
    return this.what.protocol === N.NETLINK_SOCK_DIAG;
  }

  get readable(): number {
    return this.#queue.firstLength;
  }

  bind(address: Uint8Array, { caller }: { readonly caller: Caller }): number {
    const port = portOf(address);
    if (port < 0) return port;
    this.#groups = new DataView(address.buffer, address.byteOffset).getUint32(8, true);
    if (this.#port !== 0) return port === 0 || port === this.#port ? 0 : -E.INVAL;
    return this.#take(port, caller);
  }

  *connect(address: Uint8Array, { caller }: { readonly caller: Caller }): Op<number> {
    const port = portOf(address);
    if (port < 0) return port;
    if (port !== 0) return -E.CONNREFUSED;
    return this.#port === 0 ? this.#take(0, caller) : 0;
  }

  /** The number of the process, unless another socket has it. */
  #take(wanted: number, caller: Caller): number {
    this.#port = this.net.netlinkPorts.take(wanted, caller.pid);
    return this.#port === 0 ? -E.ADDRINUSE : 0;
  }

  *send({ data, to, sender }: OutMessage): Op<number> {
    const port = to === undefined ? 0 : portOf(to);
    if (port < 0) return port;
    if (port !== 0) return -E.CONNREFUSED;
    if (this.#port === 0) this.#take(0, sender.caller);
    if (this.what.protocol === N.NETLINK_ROUTE || this.#isDiag)
      for (const message of messagesOf(data)) this.#handle(message, sender.caller);
    return data.length;
  }

  #handle(message: NetlinkMessage, caller: Caller): void {
    const { type, flags } = message;
    if ((flags & N.NLM_F_REQUEST) === 0 || type < N.NLMSG_MIN_TYPE) {
      if ((flags & N.NLM_F_ACK) !== 0) this.#report(message, 0);
      return;
    }
    const changes = !this.#isDiag && isChange(type);
    const result = this.#answer(message, caller, changes);
    const isDump = !changes && (flags & N.NLM_F_DUMP) !== 0;
    if (typeof result !== 'number') this.#tell(message, result, isDump);
    const isDue = typeof result === 'number' ? result < 0 : false;
    if (isDue || (!isDump && (flags & N.NLM_F_ACK) !== 0))
      this.#report(message, typeof result === 'number' ? result : 0);
  }

  #answer(message: NetlinkMessage, { cred }: Caller, changes: boolean): readonly Answer[] | number {
    if (this.#isDiag) return diagAnswer(this.net, message);
    return changes && !capable(cred, CAP_NET_ADMIN) ? -E.PERM : answer(this.net, message, cred.uid);
  }

  #tell(message: NetlinkMessage, answers: readonly Answer[], isDump: boolean): void {
    const to = { port: this.#port, sequence: message.sequence };
    const last: Answer[] = isDump ? [{ type: N.NLMSG_DONE, fixed: new Uint8Array(4) }] : [];
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (pieces.length > 0) this.#queue.put(joined(pieces, bytes), encodeAddress(0));
      [pieces, bytes] = [[], 0];
    };
    for (const one of [...answers, ...last]) {
      if (one.type === N.NLMSG_DONE) flush();
      const encoded = encode(one, to, isDump ? N.NLM_F_MULTI : 0);
      if (bytes + encoded.length > DUMP_BYTES) flush();
      pieces.push(encoded);
      bytes += encoded.length;
    }
    flush();
  }

  /** NLMSG_ERROR: the result, and what it is the result of. */
  #report(message: NetlinkMessage, result: number): void {
    const about = result === 0 ? message.bytes.subarray(0, HEADER_BYTES) : message.bytes;
    const fixed = new Uint8Array(4 + about.length);
    new DataView(fixed.buffer).setInt32(0, result, true);
    fixed.set(about, 4);
    const to = { port: this.#port, sequence: message.sequence };
    this.#queue.put(encode({ type: N.NLMSG_ERROR, fixed }, to, 0), encodeAddress(0));
  }

  receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    return this.#queue.take(into, flags, () => false);
  }

  localName(): Uint8Array {
    return encodeAddress(this.#port, this.#groups);
  }

  peerName(): Uint8Array {
    return encodeAddress(0);
  }

  override poll(): number {
    const readable = this.#queue.isEmpty ? 0 : POLLIN | POLLRDNORM;
    return POLLOUT | POLLWRNORM | readable | (this.error === 0 ? 0 : POLLERR);
  }

  override setOption(level: number, name: number, value: Uint8Array): number {
    if (level !== N.SOL_NETLINK) return super.setOption(level, name, value);
    return KNOWN_OPTIONS.has(name) ? 0 : -E.NOPROTOOPT;
  }

  override release(): void {
    this.net.netlinkPorts.give(this.#port);
    this.#queue.clear();
    super.release();
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
