/** The network of a kernel: its protocol stack, interfaces, and what sockets are made of. */
import {
  DhcpClient,
  type DhcpLease,
  type EthernetNetwork,
  type Ipv4Address,
  MAC_BROADCAST,
  type NetInterface,
  NetStack,
} from '@domu/netstack';
import { S_IFSOCK } from '../abi/stat.ts';
import type { FsContext } from '../fs/fs-context.ts';
import { ROOT_CREDENTIALS } from '../fs/kernel-caller.ts';
import { AnonymousFs } from '../fs/pipe-fs.ts';
import type { Credentials, Inode, Time } from '../fs/types.ts';
import { NetlinkPorts } from './netlink/ports.ts';
import { UnixNames } from './unix-names.ts';

const SOCKFS_MAGIC = 0x534f434b;
const FIRST_PORT = 32768;
const LAST_PORT = 60999;

/** What the network asks of the kernel. */
export interface NetSideHost {
  /** CLOCK_MONOTONIC in ns. */
  now(): bigint;
  /** CLOCK_REALTIME. */
  realtime(): Time;
  random32(): number;
  /** Calls `fire` at a time; the kernel's timers. */
  setTimer(deadline: bigint, fire: () => void): { cancel(): void };
  /** A file system context for what is not done by a process. */
  readonly context: FsContext;
  /** st_dev of sockets. */
  readonly dev: number;
}

/** A socket that holds a local port. */
export interface PortHolder {
  readonly boundAddress: Ipv4Address;
  readonly reuse: boolean;
  readonly isListening: boolean;
}

export class NetSide {
  readonly stack: NetStack;
  readonly unixNames: UnixNames = new UnixNames();
  readonly netlinkPorts: NetlinkPorts = new NetlinkPorts();
  readonly anonymousContext: FsContext;
  readonly #host: NetSideHost;
  readonly #sockets: AnonymousFs;
  readonly #tcpPorts: Map<number, Set<PortHolder>> = new Map();
  readonly #dhcp: Map<NetInterface, DhcpClient> = new Map();
  #timer: { readonly deadline: bigint; cancel(): void } | null = null;

  constructor(host: NetSideHost) {
    this.#host = host;
    this.anonymousContext = host.context;
    this.#sockets = new AnonymousFs('sockfs', SOCKFS_MAGIC, host.dev, () => host.realtime());
    this.stack = new NetStack({
      nowNs: () => Number(host.now()),
      random32: () => host.random32(),
      deadlineChanged: () => this.#arm(),
    });
    this.stack.addLoopback();
  }

  now(): bigint {
    return this.#host.now();
  }

  makeInode(cred: Credentials = ROOT_CREDENTIALS): Inode {
    return this.#sockets.makeInode(cred, S_IFSOCK | 0o777);
  }

  interfaceNamed(name: string): NetInterface | undefined {
    return this.stack.interfaces.find((netif) => netif.name === name);
  }

  /** Interfaces are numbered from 1. */
  interfaceAt(index: number): NetInterface | undefined {
    return this.stack.interfaces[index - 1];
  }

  indexOf(netif: NetInterface): number {
    return this.stack.interfaces.indexOf(netif) + 1;
  }

  /**
   * Makes an interface, "eth0" and so on, and plugs it in; one with this MAC address that is unplugged is used again. It is
   * down until somebody configures it.
   */
  plug(network: EthernetNetwork, mac: number, mtu = 1500): NetInterface {
    const old = this.stack.interfaces.find((one) => one.mac === mac && !one.running);
    if (old !== undefined) {
      old.connect(network.attach(old));
      return old;
    }
    let number = 0;
    while (this.interfaceNamed(`eth${number}`) !== undefined) number++;
    const netif = this.stack.addInterface({ name: `eth${number}`, mac, mtu });
    netif.up = false;
    netif.connect(network.attach(netif));
    return netif;
  }

  /** Brings an interface up and has it configured by DHCP, as `ip=dhcp` asks. */
  configureByDhcp(netif: NetInterface, onLease: (lease: DhcpLease | undefined) => void): void {
    netif.up = true;
    this.#dhcp.get(netif)?.close();
    const random32 = (): number => this.#host.random32();
    this.#dhcp.set(netif, new DhcpClient({ stack: this.stack, netif, random32, onLease }));
  }

  /** Somebody configures the interface by hand: the kernel's own DHCP client gives way. */
  configuredByHand(netif: NetInterface): void {
    this.#dhcp.get(netif)?.close();
    this.#dhcp.delete(netif);
  }

  /** Whether an address may be bound to: one of this host's, any, or a group. */
  isBindable(address: Ipv4Address): boolean {
    return (
      address === 0 || address >>> 28 === 14 || address === 0xffffffff || this.stack.ipv4.isLocal(address)
    );
  }

  /** Takes a TCP port for a socket. @returns false if it is in use */
  holdTcpPort(port: number, holder: PortHolder): boolean {
    const { boundAddress } = holder;
    const holders = this.#tcpPorts.get(port) ?? new Set();
    for (const other of holders) {
      const apart = boundAddress !== 0 && other.boundAddress !== 0 && boundAddress !== other.boundAddress;
      if (!apart && !(holder.reuse && other.reuse && !other.isListening)) return false;
    }
    if (holders.size === 0 && !holder.reuse && this.stack.tcp.isPortUsed(port, boundAddress)) return false;
    this.#tcpPorts.set(port, holders.add(holder));
    return true;
  }

  releaseTcpPort(port: number, holder: PortHolder): void {
    const holders = this.#tcpPorts.get(port);
    if (holders?.delete(holder) && holders.size === 0) this.#tcpPorts.delete(port);
  }

  /** A free port for a socket that asked for none; 0 if there is none. */
  freePort(isUsed: (port: number) => boolean): number {
    const count = LAST_PORT - FIRST_PORT + 1;
    const start = this.#host.random32() % count;
    for (let offset = 0; offset < count; offset++) {
      const port = FIRST_PORT + ((start + offset) % count);
      if (!isUsed(port)) return port;
    }
    return 0;
  }

  /** A locally administered MAC address, for an interface that was given none. */
  randomMac(): Uint8Array {
    const bytes = new Uint8Array(6);
    for (let at = 0; at < 6; at++) bytes[at] = this.#host.random32() >>> 24;
    bytes[0] = (bytes[0]! & 0xfc) | 2;
    return bytes;
  }

  /** A number for a socket that needs no more than a likely distinction: 1 to 65535. */
  randomPort(): number {
    return 1 + (this.#host.random32() % 65535);
  }

  freeTcpPort(): number {
    return this.freePort((port) => this.#tcpPorts.has(port) || this.stack.tcp.isPortUsed(port));
  }

  freeUdpPort(): number {
    return this.freePort((port) => this.stack.udp.receiversOf(port).length > 0);
  }

  /** Where a broadcast goes that names no interface. */
  broadcastInterface(device: string): NetInterface | undefined {
    if (device !== '') return this.interfaceNamed(device);
    return this.stack.interfaces.find((netif) => netif.up && !netif.loopback);
  }

  #arm(): void {
    const next = this.stack.nextDeadlineNs();
    if (next === Infinity) return;
    const deadline = BigInt(Math.ceil(next));
    if (this.#timer !== null && this.#timer.deadline <= deadline) return;
    this.#timer?.cancel();
    const timer = this.#host.setTimer(deadline, () => {
      this.#timer = null;
      this.stack.tick();
      this.#arm();
    });
    this.#timer = { deadline, cancel: () => timer.cancel() };
  }
}

/** A MAC address from its six bytes. */
export function macOf(bytes: Uint8Array): number {
  return bytes.reduce((mac, byte) => mac * 256 + byte, 0) % (MAC_BROADCAST + 1);
}
