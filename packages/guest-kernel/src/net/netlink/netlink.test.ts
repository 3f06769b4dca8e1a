import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { E } from '../../abi/errno.ts';
import * as N from '../../abi/netlink.ts';
import {
  AF_INET,
  IFF_UP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from '../../abi/socket.ts';
import { NetWorld, type Program } from '../testing.ts';
import { type Answer, attributesOf, encode, messagesOf } from './message.ts';

const DONT_WAIT = 0x40;
const ROOM = 16_384;

/** A socket that asks. */
class Asker {
  readonly #program: Program;
  readonly #fd: number;
  #sequence = 0;

  constructor(program: Program, protocol: number = N.NETLINK_ROUTE) {
    this.#program = program;
    this.#fd = program.socket(N.AF_NETLINK, SOCK_RAW, protocol);
  }

  send(bytes: Uint8Array): number {
    return this.#program.call('sendto', this.#fd, bytes, bytes.length, 0);
  }

  /** Messages of one datagram, by type with their attributes. */
  receive(): { type: number; sequence: number; payload: DataView; texts: string }[] | number {
    const va = this.#program.place(new Uint8Array(ROOM));
    const count = this.#program.call('recvfrom', this.#fd, va, ROOM, DONT_WAIT);
    if (count < 0) return count;
    return [...messagesOf(this.#program.bytes(va, count))].map(({ type, sequence, payload }) => {
      const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
      return { type, sequence, payload, texts: String.fromCharCode(...bytes) };
    });
  }

  ask(question: Answer, flags: number) {
    this.send(encode(question, { port: 0, sequence: ++this.#sequence }, N.NLM_F_REQUEST | flags));
    return this.receive();
  }

  /** Asks for a change. @returns 0 or a negative errno */
  change(question: Answer, flags = 0): number {
    const [report] = this.ask(question, N.NLM_F_ACK | flags) as { type: number; payload: DataView }[];
    expect(report?.type).toBe(N.NLMSG_ERROR);
    return report?.payload.getInt32(0, true) ?? Number.NaN;
  }

  /** Everything of a kind. */
  dump(type: number): { type: number; payload: DataView; texts: string }[] {
    return this.everything({ type, fixed: Uint8Array.of(AF_INET) });
  }

  /** All answers to a question. */
  everything(question: Answer): { type: number; payload: DataView; texts: string }[] {
    const all = [];
    let part = this.ask(question, N.NLM_F_DUMP);
    while (typeof part !== 'number') {
      all.push(...part);
      part = this.receive();
    }
    expect(all.pop()).toMatchObject({ type: N.NLMSG_DONE });
    return all;
  }
}

const link = (index: number, flags = 0, change = 0): Uint8Array =>
  new Uint8Array(Uint32Array.of(0, index, flags, change).buffer);
const own = (index: number, prefixLength: number): Uint8Array =>
  Uint8Array.of(AF_INET, prefixLength, 0, 0, index, 0, 0, 0);
const route = (prefixLength: number): Uint8Array =>
  Uint8Array.of(AF_INET, prefixLength, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0);
const address = (last: number): readonly [number, Uint8Array] => [N.IFA_LOCAL, Uint8Array.of(10, 9, 8, last)];

describe('rtnetlink', () => {
  test('shows links and their addresses, and changes them', () => {
    const asker = new Asker(new NetWorld().program());
    expect(asker.dump(N.RTM_GETLINK)[0]?.texts).toContain('lo\0');
    const before = asker.dump(N.RTM_GETADDR).length;
    const added = { type: N.RTM_NEWADDR, fixed: own(1, 24), attributes: [address(7)] };
    expect([asker.change(added), asker.change(added)]).toEqual([0, -E.EXIST]);
    const [, mine] = asker.dump(N.RTM_GETADDR);
    expect(asker.dump(N.RTM_GETADDR).length).toBe(before + 1);
    expect(mine && attributesOf(mine.payload, 8).get(N.IFA_LOCAL)?.getUint32(0)).toBe(0x0a090807);
    expect(asker.change({ ...added, type: N.RTM_DELADDR })).toBe(0);
    expect(asker.change({ ...added, type: N.RTM_DELADDR })).toBe(-E.ADDRNOTAVAIL);
    expect(asker.change({ type: N.RTM_NEWLINK, fixed: link(1, 0, IFF_UP) })).toBe(0);
    expect(asker.dump(N.RTM_GETLINK)[0]?.payload.getUint32(8, true)).toBe(8);
    expect(asker.change({ type: N.RTM_NEWLINK, fixed: link(77, IFF_UP, IFF_UP) })).toBe(-E.NODEV);
    const mtu = { type: N.RTM_SETLINK, fixed: link(1), attributes: [[N.IFLA_MTU, 12]] as const };
    expect(asker.change(mtu)).toBe(-E.INVAL);
  });

  test('adds, finds and removes routes', () => {
    const asker = new Asker(new NetWorld().program());
    asker.change({ type: N.RTM_NEWADDR, fixed: own(1, 24), attributes: [address(7)] });
    const to = [N.RTA_DST, Uint8Array.of(10, 20, 0, 0)] as const;
    const by = [N.RTA_GATEWAY, Uint8Array.of(10, 9, 8, 1)] as const;
    const added = { type: N.RTM_NEWROUTE, fixed: route(16), attributes: [to, by] };
    expect([asker.change(added), asker.change(added)]).toEqual([0, -E.EXIST]);
    expect(asker.change(added, N.NLM_F_REPLACE)).toBe(0);
    const odd = [N.RTA_DST, Uint8Array.of(10, 20, 0, 1)] as const;
    expect(asker.change({ ...added, attributes: [odd, by] })).toBe(-E.INVAL);
    const far = [N.RTA_GATEWAY, Uint8Array.of(99, 9, 8, 1)] as const;
    expect(asker.change({ ...added, fixed: route(17), attributes: [to, far] })).toBe(-E.NETUNREACH);
    const within = [N.RTA_DST, Uint8Array.of(10, 20, 3, 4)] as const;
    const [way] = asker.ask({ type: N.RTM_GETROUTE, fixed: route(32), attributes: [within] }, 0) as {
      payload: DataView;
    }[];
    expect(way && attributesOf(way.payload, 12).get(N.RTA_GATEWAY)?.getUint32(0)).toBe(0x0a090801);
    expect(asker.change({ ...added, type: N.RTM_DELROUTE })).toBe(0);
    expect(asker.change({ ...added, type: N.RTM_DELROUTE })).toBe(-E.SRCH);
  });

  test('lets everybody look, and only who may change', () => {
    const ids = { uid: 5, euid: 5, suid: 5, fsuid: 5 };
    const asker = new Asker(new NetWorld().program(ids));
    expect(asker.dump(N.RTM_GETLINK).length).toBe(1);
    expect(asker.change({ type: N.RTM_NEWLINK, fixed: link(1, 0, IFF_UP) })).toBe(-E.PERM);
  });

  test('shows sockets of TCP and UDP in the states that are asked for', () => {
    const program = new NetWorld().program();
    const fd = program.socket(AF_INET, SOCK_STREAM);
    program.at('bind', fd, '127.0.0.1:8129');
    program.call('listen', fd, 3);
    program.at('bind', program.socket(AF_INET, SOCK_DGRAM), '127.0.0.1:53');
    const asker = new Asker(program, N.NETLINK_SOCK_DIAG);
    const shown = (protocol: number, states: number): number[][] => {
      const fixed = new Uint8Array(56);
      fixed.set([AF_INET, protocol]);
      new DataView(fixed.buffer).setUint32(4, states, true);
      return asker
        .everything({ type: N.SOCK_DIAG_BY_FAMILY, fixed })
        .map(({ payload }) => [
          payload.getUint8(1),
          payload.getUint16(4),
          payload.getUint32(8),
          payload.getUint32(60, true),
        ]);
    };
    const every = 0xffff_ffff;
    expect(shown(IPPROTO_TCP, every)).toEqual([[10, 8129, 0x7f000001, 3]]);
    expect(shown(IPPROTO_TCP, 1 << 1)).toEqual([]);
    expect(shown(IPPROTO_UDP, every)).toEqual([[7, 53, 0x7f000001, 0]]);
    expect(shown(99, every)).toEqual([]);
    expect(asker.change({ type: N.SOCK_DIAG_BY_FAMILY, fixed: new Uint8Array(8) })).toBe(-E.INVAL);
    expect(asker.change({ type: N.SOCK_DIAG_BY_FAMILY, fixed: new Uint8Array(56) })).toBe(-E.OPNOTSUPP);
  });

  test.each([N.NETLINK_ROUTE, N.NETLINK_SOCK_DIAG])(
    'whatever is sent is answered or not, and the socket goes on (family %i)',
    (protocol) => {
      const program = new NetWorld().program();
      const asker = new Asker(program, protocol);
      const header = fc.tuple(fc.nat(40), fc.nat(0xfff), fc.uint8Array({ maxLength: 60 }));
      fc.assert(
        fc.property(header, fc.boolean(), ([type, flags, rest], hasLength) => {
          const bytes = encode({ type, fixed: rest }, { port: 0, sequence: 1 }, flags | N.NLM_F_REQUEST);
          if (!hasLength) bytes.set(rest.subarray(0, 4));
          expect(asker.send(bytes)).toBe(bytes.length);
          for (let part = asker.receive(); typeof part !== 'number'; part = asker.receive());
        }),
        { numRuns: 500 },
      );
      expect(new Asker(program).dump(N.RTM_GETLINK).length).toBe(1);
    },
  );
});
