/** getsockopt and setsockopt: what sockets of all families know, and what Internet sockets know besides. */
import { E } from '../abi/errno.ts';
import {
  AF_INET,
  IP_TOS,
  IP_TTL,
  IPPROTO_TCP,
  SO_ACCEPTCONN,
  SO_ATTACH_FILTER,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_DETACH_FILTER,
  SO_DOMAIN,
  SO_DONTROUTE,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MARK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PRIORITY,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_TIMESTAMP,
  SO_TYPE,
  SOCK_STREAM,
  SOL_IP,
  SOL_PACKET,
  SOL_SOCKET,
  TCP_CORK,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_MAXSEG,
  TCP_NODELAY,
} from '../abi/socket.ts';
import type { Socket } from './socket.ts';

/** Linux's net.core.rmem_default. */
const DEFAULT_BUFFER = 212_992;
const MIN_BUFFER = 4608;
const MAX_BUFFER = 4 << 20;
const IFNAMSIZ = 16;

/** What is set on a socket. */
export interface SocketSettings {
  /** Options that are a number and nothing more, by level * 65536 + name. */
  readonly numbers: Map<number, number>;
  receiveBytes: number;
  sendBytes: number;
  receiveTimeoutNs: bigint;
  sendTimeoutNs: bigint;
  /** Seconds, or undefined: closing does not wait. */
  lingerSeconds: number | undefined;
  /** Name of the interface that it is bound to. */
  device: string;
}

export function newSettings(): SocketSettings {
  return {
    numbers: new Map(),
    receiveBytes: DEFAULT_BUFFER,
    sendBytes: DEFAULT_BUFFER,
    receiveTimeoutNs: 0n,
    sendTimeoutNs: 0n,
    lingerSeconds: undefined,
    device: '',
  };
}

const key = (level: number, name: number): number => level * 65536 + name;

/** Options that are kept, with what they are at first. */
const NUMBERS: ReadonlyMap<number, number> = new Map([
  ...[SO_REUSEADDR, SO_REUSEPORT, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY].map(
    (name): [number, number] => [key(SOL_SOCKET, name), 0],
  ),
  ...[SO_PASSCRED, SO_TIMESTAMP, SO_MARK].map((name): [number, number] => [key(SOL_SOCKET, name), 0]),
  ...[SO_RCVLOWAT, SO_SNDLOWAT].map((name): [number, number] => [key(SOL_SOCKET, name), 1]),
]);
const TCP_NUMBERS: ReadonlyMap<number, number> = new Map([
  [key(IPPROTO_TCP, TCP_NODELAY), 0],
  [key(IPPROTO_TCP, TCP_CORK), 0],
  [key(IPPROTO_TCP, TCP_KEEPIDLE), 7200],
  [key(IPPROTO_TCP, TCP_KEEPINTVL), 75],
  [key(IPPROTO_TCP, TCP_KEEPCNT), 9],
  [key(IPPROTO_TCP, TCP_MAXSEG), 536],
]);
/** Options that ask for what is never done: TCP_DEFER_ACCEPT, TCP_SYNCNT, TCP_LINGER2, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_FASTOPEN. */
const TCP_IGNORED = new Set([7, 8, 9, 12, 18, 23]);

/** The value of a number option. */
export function numberOf(socket: Socket, level: number, name: number): number {
  const which = key(level, name);
  return socket.settings.numbers.get(which) ?? NUMBERS.get(which) ?? TCP_NUMBERS.get(which) ?? 0;
}

export const isSet = (socket: Socket, name: number): boolean => numberOf(socket, SOL_SOCKET, name) !== 0;

const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** struct timeval of a timeout. */
function timeval(ns: bigint): Uint8Array {
  return new Uint8Array(
    Int32Array.of(Number(ns / 1_000_000_000n), Number((ns % 1_000_000_000n) / 1000n)).buffer,
  );
}

/** @returns the value, or -ENOPROTOOPT */
export function getSocketOption(socket: Socket, level: number, name: number): Uint8Array | number {
  const { settings, what } = socket;
  const which = key(level, name);
  if (isKnown(socket, level, which)) return int(numberOf(socket, level, name));
  if (level === SOL_IP && what.domain === AF_INET)
    return int(settings.numbers.get(which) ?? (name === IP_TTL ? 64 : 0));
  if (level !== SOL_SOCKET) return -E.NOPROTOOPT;
  switch (name) {
    case SO_ERROR:
      return int(-socket.takeError());
    case SO_TYPE:
      return int(what.type);
    case SO_DOMAIN:
      return int(what.domain);
    case SO_PROTOCOL:
      return int(what.protocol);
    case SO_ACCEPTCONN:
      return int(socket.isListening ? 1 : 0);
    case SO_RCVBUF:
      return int(settings.receiveBytes);
    case SO_SNDBUF:
      return int(settings.sendBytes);
    case SO_RCVTIMEO:
      return timeval(settings.receiveTimeoutNs);
    case SO_SNDTIMEO:
      return timeval(settings.sendTimeoutNs);
    case SO_LINGER: {
      const { lingerSeconds } = settings;
      return new Uint8Array(Int32Array.of(lingerSeconds === undefined ? 0 : 1, lingerSeconds ?? 0).buffer);
    }
    case SO_BINDTODEVICE:
      return Uint8Array.from(`${settings.device}${settings.device === '' ? '' : '\0'}`, (c) =>
        c.charCodeAt(0),
      );
    default:
      return -E.NOPROTOOPT;
  }
}

function isKnown(socket: Socket, level: number, which: number): boolean {
  if (level === SOL_SOCKET) return NUMBERS.has(which);
  const { domain, type } = socket.what;
  return level === IPPROTO_TCP && domain === AF_INET && type === SOCK_STREAM && TCP_NUMBERS.has(which);
}

/** @returns 0, -EINVAL, -ENOPROTOOPT, -ENODEV */
export function setSocketOption(socket: Socket, level: number, name: number, value: Uint8Array): number {
  const { settings, what } = socket;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const which = key(level, name);
  if (level === SOL_SOCKET && name === SO_BINDTODEVICE) return bindToDevice(socket, value);
  if (
    level === SOL_PACKET ||
    (level === SOL_SOCKET && (name === SO_ATTACH_FILTER || name === SO_DETACH_FILTER))
  )
    return 0;
  if (value.length < 4) return level === SOL_IP && value.length > 0 ? 0 : -E.INVAL;
  const number = view.getInt32(0, true);
  if (isKnown(socket, level, which) || (level === SOL_IP && what.domain === AF_INET)) {
    if (level === SOL_IP && name === IP_TTL && (number < -1 || number === 0 || number > 255)) return -E.INVAL;
    const isFlag = level === SOL_SOCKET && name !== SO_PRIORITY && name !== SO_MARK && name !== SO_RCVLOWAT;
    settings.numbers.set(which, isFlag ? Number(number !== 0) : number);
    socket.applySettings();
    return 0;
  }
  if (level === IPPROTO_TCP && what.type === SOCK_STREAM && TCP_IGNORED.has(name)) return 0;
  if (level !== SOL_SOCKET) return -E.NOPROTOOPT;
  // Linux doubles what is asked for, to have room for its own bookkeeping, and tells so.
  const buffer = Math.min(Math.max(2 * Math.abs(number), MIN_BUFFER), MAX_BUFFER);
  switch (name) {
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
      settings.receiveBytes = buffer;
      break;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
      settings.sendBytes = buffer;
      break;
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
      if (value.length < 8) return -E.INVAL;
      const micros = view.getInt32(4, true);
      if (micros < 0 || micros >= 1_000_000) return -E.DOM;
      const ns = number < 0 ? 0n : BigInt(number) * 1_000_000_000n + BigInt(micros) * 1000n;
      if (name === SO_RCVTIMEO) settings.receiveTimeoutNs = ns;
      else settings.sendTimeoutNs = ns;
      break;
    }
    case SO_LINGER:
      if (value.length < 8) return -E.INVAL;
      settings.lingerSeconds = number === 0 ? undefined : Math.max(0, view.getInt32(4, true));
      break;
    default:
      return -E.NOPROTOOPT;
  }
  socket.applySettings();
  return 0;
}

function bindToDevice(socket: Socket, value: Uint8Array): number {
  const name = String.fromCharCode(...value.subarray(0, IFNAMSIZ)).replace(/\0.*$/s, '');
  if (name !== '' && socket.net.interfaceNamed(name) === undefined) return -E.NODEV;
  socket.settings.device = name;
  return 0;
}

/** Time to live and type of service of what a socket sends. */
export function headerFields(socket: Socket): { ttl?: number; tos?: number } {
  const { numbers } = socket.settings;
  const ttl = numbers.get(key(SOL_IP, IP_TTL));
  const tos = numbers.get(key(SOL_IP, IP_TOS));
  return {
    ...(ttl === undefined || ttl < 1 ? {} : { ttl }),
    ...(tos === undefined ? {} : { tos: tos & 0xff }),
  };
}
