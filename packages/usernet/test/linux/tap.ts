import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AttachedPort, EthernetNetwork, EthernetPort, Frame, Offloads } from '@domu/netstack';

const VNET_HDR_BYTES = 10;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_F_DATA_VALID = 2;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
/** Bytes on their way to the helper before frames are refused. */
const MAX_QUEUED = 4 << 20;

export interface TapOptions {
  /** Checksum offload and large frames, as a PV network interface has them. */
  readonly offload: boolean;
  /** Probability with which a frame is lost, either way. */
  readonly loss: number;
}

/** A Linux host in a network namespace of its own, plugged into a network: what a Linux guest would be. */
export class LinuxHost implements EthernetPort {
  readonly offloads: Offloads;
  readonly #options: TapOptions;
  readonly #child: ChildProcess;
  readonly #port: AttachedPort;
  #pending: Buffer = Buffer.alloc(0);
  #refused = false;
  frames = { in: 0, out: 0 };

  constructor(network: EthernetNetwork, options: TapOptions) {
    const { offload } = options;
    this.#options = options;
    this.offloads = { checksum: offload, tcpv4: offload, tcpv6: false };
    const helper = join(mkdtempSync(join(tmpdir(), 'domu-tap-')), 'tap');
    execFileSync('gcc', ['-O2', '-o', helper, fileURLToPath(new URL('tap.c', import.meta.url))]);
    const configure =
      'ip link set lo up; ip link set tap0 up; ip addr add 10.0.2.15/24 dev tap0; ip route add default via 10.0.2.2';
    const args = ['-rn', helper, configure, ...(offload ? [] : ['plain'])];
    this.#child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin!.on('drain', () => this.#drained());
    this.#child.stdin!.on('error', () => {});
    this.#port = network.attach(this);
    this.#child.stdout!.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Starts a program in the namespace. */
  start(command: string, ...args: string[]): ChildProcess {
    return spawn('nsenter', this.#enter(command, args), { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Whether the namespace is configured. */
  isReady(): boolean {
    const { stdout } = spawnSync('nsenter', this.#enter('ip', ['route']), { encoding: 'utf8' });
    return stdout.includes('default');
  }

  close(): void {
    this.#port.close();
    this.#child.kill();
  }

  transmit({ data, checksum, gsoSize }: Frame): boolean {
    const stdin = this.#child.stdin!;
    if (stdin.writableLength > MAX_QUEUED) {
      this.#refused = true;
      return false;
    }
    this.frames.in++;
    if (Math.random() < this.#options.loss) return true;
    const message = Buffer.alloc(4 + VNET_HDR_BYTES + data.length);
    message.writeUInt32LE(VNET_HDR_BYTES + data.length, 0);
    const transport = 14 + (data[14]! & 15) * 4;
    if (checksum === 'blank') {
      message[4] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
      message.writeUInt16LE(transport, 10);
      message.writeUInt16LE(data[23] === 6 ? 16 : 6, 12);
    } else if (checksum === 'validated') message[4] = VIRTIO_NET_HDR_F_DATA_VALID;
    if (gsoSize !== 0) {
      message[5] = VIRTIO_NET_HDR_GSO_TCPV4;
      message.writeUInt16LE(transport + (data[transport + 12]! >> 4) * 4, 6);
      message.writeUInt16LE(gsoSize, 8);
    }
    message.set(data, 4 + VNET_HDR_BYTES);
    stdin.write(message);
    return true;
  }

  resume(): void {
    this.#child.stdout!.resume();
  }

  #enter(command: string, args: string[]): string[] {
    return ['-t', String(this.#child.pid), '-U', '-n', '--preserve-credentials', command, ...args];
  }

  #drained(): void {
    if (!this.#refused) return;
    this.#refused = false;
    this.#port.resume();
  }

  #receive(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    while (at + 4 <= this.#pending.length) {
      const end = at + 4 + this.#pending.readUInt32LE(at);
      if (end > this.#pending.length) break;
      this.#frame(this.#pending.subarray(at + 4, end));
      at = end;
    }
    this.#pending = this.#pending.subarray(at);
  }

  #frame(message: Buffer): void {
    this.frames.out++;
    if (Math.random() < this.#options.loss) return;
    const flags = message[0]!;
    const checksum =
      flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
        ? 'blank'
        : flags & VIRTIO_NET_HDR_F_DATA_VALID
          ? 'validated'
          : 'present';
    const gsoSize = message[1] === 0 ? 0 : message.readUInt16LE(4);
    this.#port.transmit({ data: message.subarray(VNET_HDR_BYTES), checksum, gsoSize, gsoType: 'tcpv4' });
  }
}
