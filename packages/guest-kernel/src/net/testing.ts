/** For tests of sockets: kernels with a network, and programs that make socket calls. */
import { formatIpv4, parseIpv4 } from '@domu/netstack';
import { fromByteString, toByteString } from '../abi/bytes.ts';
import { Running, type TestTask, TestWorld } from '../fs/testing.ts';
import type { Credentials } from '../fs/types.ts';
import { allSocketCalls } from '../syscall/socket-calls.ts';
import type { Op } from '../task/wait.ts';
import { encodeInet, parseInet } from './address.ts';
import { NetSide } from './net-side.ts';

interface Alarm {
  readonly deadline: bigint;
  readonly fire: () => void;
}

/** A kernel: files, a network, a clock. */
export class NetWorld {
  readonly world: TestWorld = new TestWorld();
  readonly net: NetSide;
  readonly #alarms: Set<Alarm> = new Set();
  #random = 1;

  constructor() {
    this.net = new NetSide({
      now: () => this.world.nowNs,
      realtime: () => this.world.nowNs,
      random32: () => {
        this.#random = (Math.imul(this.#random, 1103515245) + 12345) >>> 0;
        return this.#random;
      },
      setTimer: (deadline, fire) => {
        const alarm = { deadline, fire };
        this.#alarms.add(alarm);
        return { cancel: () => void this.#alarms.delete(alarm) };
      },
      context: this.world.side.newContext(),
      dev: 99,
    });
  }

  /** Time passes; what is due fires. */
  sleep(seconds: number): void {
    const end = this.world.nowNs + BigInt(Math.round(seconds * 1e9));
    for (;;) {
      const next = [...this.#alarms].sort((a, b) => Number(a.deadline - b.deadline))[0];
      if (next === undefined || next.deadline > end) break;
      this.#alarms.delete(next);
      if (next.deadline > this.world.nowNs) this.world.nowNs = next.deadline;
      next.fire();
    }
    this.world.nowNs = end;
  }

  program(ids: Partial<Credentials> = {}): Program {
    return new Program(this, this.world.task(undefined, ids));
  }
}

/** A process that uses sockets. */
export class Program {
  readonly task: TestTask;
  readonly #world: NetWorld;

  constructor(world: NetWorld, task: TestTask) {
    this.#world = world;
    this.task = task;
  }

  /** Starts a call; byte arrays are put into memory and their addresses passed. */
  start(name: string, ...args: (number | Uint8Array)[]): Running {
    const call = allSocketCalls[name];
    if (call === undefined) throw new Error(`no row ${name}`);
    const words = args.map((arg) => (typeof arg === 'number' ? arg : this.place(arg)) >>> 0);
    const task = Object.assign(this.task, { network: this.#world.net });
    const result = call(task, [...words, 0, 0, 0, 0, 0, 0].slice(0, 6));
    return new Running(typeof result === 'number' ? returning(result) : result);
  }

  call(name: string, ...args: (number | Uint8Array)[]): number {
    const { result } = this.start(name, ...args);
    if (result === undefined) throw new Error(`${name} sleeps`);
    return result;
  }

  place(bytes: Uint8Array): number {
    const va = this.task.allocate(Math.max(bytes.length, 1));
    this.task.user.write(va, bytes);
    return va;
  }

  bytes(va: number, length: number): Uint8Array {
    return this.task.user.bytes.slice(va, va + length);
  }

  socket(domain: number, type: number, protocol = 0): number {
    return this.call('socket', domain, type, protocol);
  }

  /** connect, bind. @param address "10.0.0.1:80" */
  at(name: string, fd: number, address: string): Running {
    return this.start(name, fd, inet(address), 16);
  }

  send(fd: number, text: string, flags = 0): number {
    return this.call('sendto', fd, fromByteString(text), text.length, flags);
  }

  sendTo(fd: number, text: string, address: string): number {
    return this.call('sendto', fd, fromByteString(text), text.length, 0, inet(address), 16);
  }

  /** @returns the bytes as text, an errno, or undefined if it sleeps */
  receive(fd: number, count = 4096, flags = 0): string | number | undefined {
    const va = this.task.allocate(count);
    const { result } = this.start('recvfrom', fd, va, count, flags);
    return result === undefined || result < 0 ? result : toByteString(this.bytes(va, result));
  }

  /** getsockname, getpeername. */
  name(call: string, fd: number): string | number {
    const va = this.task.allocate(128);
    const length = this.place(new Uint8Array(Int32Array.of(128).buffer));
    const result = this.call(call, fd, va, length);
    return result < 0 ? result : inetText(this.bytes(va, 16));
  }

  option(fd: number, level: number, name: number): number {
    const va = this.task.allocate(8);
    const length = this.place(new Uint8Array(Int32Array.of(4).buffer));
    const result = this.call('getsockopt', fd, level, name, va, length);
    return result < 0 ? result : (this.task.user.read32(va) ?? -1);
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    return this.call('setsockopt', fd, level, name, new Uint8Array(Int32Array.of(value, 0).buffer), 8);
  }

  poll(fd: number): number {
    return this.task.files.get(fd)!.poll();
  }
}

export function inet(text: string): Uint8Array {
  const [address, port] = text.split(':');
  return encodeInet({ address: parseIpv4(address!)!, port: Number(port ?? 0) });
}

export function inetText(bytes: Uint8Array): string {
  const { address, port } = parseInet(bytes)!;
  return `${formatIpv4(address)}:${port}`;
}

function* returning(value: number): Op<number> {
  return value;
}
