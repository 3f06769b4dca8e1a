import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import {
  type AttachedPort,
  deliver,
  type EthernetNetwork,
  type EthernetPort,
  ordinaryFrame,
} from '@domu/netstack';

const TUN_DEVICE = '/dev/net/tun';
const LOOPBACK = '127.0.0.1';
/** Frames that wait for socat to be there. */
const MAX_QUEUED_FRAMES = 64;

/**
 * Looks whether this host lets us use a tap device.
 * @param path directories to look for socat in, as in PATH
 * @returns null, or what is missing
 */
export function tapObstacle(path: string = process.env.PATH ?? ''): string | null {
  try {
    accessSync(TUN_DEVICE, constants.R_OK | constants.W_OK);
  } catch {
    return `${TUN_DEVICE} cannot be opened; expected Linux and permission to use tap devices`;
  }
  const found = path.split(delimiter).some((directory) => isExecutable(join(directory, 'socat')));
  return found ? null : 'socat is not installed; expected it in PATH (Debian: apt install socat)';
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Which tap device to use. */
export interface TapOptions {
  /** Name of the device; one that exists is used, one that does not is made, which takes privilege. */
  readonly name: string;
  /** Tells the user why there is no tap any more. */
  readonly tell: (text: string) => void;
}

/**
 * A tap device of a Linux host, for one interface. socat holds the device, because Node has no ioctl; frames pass between
 * it and us as datagrams over loopback, one each.
 */
export class TapNetwork implements EthernetNetwork {
  readonly #socket: Socket;
  readonly #tell: (text: string) => void;
  readonly #name: string;
  #helper: ChildProcess | null = null;
  #nic: EthernetPort | null = null;
  #connected = false;
  #closed = false;
  readonly #queued: Uint8Array[] = [];

  constructor({ name, tell }: TapOptions) {
    this.#name = name;
    this.#tell = tell;
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (data) => {
      if (this.#nic !== null) deliver(this.#nic, ordinaryFrame(data));
    });
    // Datagrams that nobody takes are frames on a cable that is out.
    this.#socket.on('error', () => {});
    this.#socket.bind(0, LOOPBACK, () => this.#findPort((port) => this.#start(port)));
  }

  attach(nic: EthernetPort): AttachedPort {
    this.#nic = nic;
    return {
      offloads: { checksum: false, tcpv4: false, tcpv6: false },
      transmit: ({ data }) => {
        if (this.#nic === nic) this.#send(data.slice());
        return true;
      },
      resume: () => {},
      close: () => {
        if (this.#nic === nic) this.#nic = null;
      },
    };
  }

  /** Lets go of the device. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#helper?.kill();
    this.#socket.close();
  }

  /** Finds a port that socat can have. */
  #findPort(use: (port: number) => void): void {
    const probe = createSocket('udp4');
    probe.bind(0, LOOPBACK, () => {
      const { port } = probe.address();
      probe.close(() => {
        if (!this.#closed) use(port);
      });
    });
  }

  #start(port: number): void {
    const own = this.#socket.address().port;
    const tun = `TUN,tun-type=tap,tun-name=${this.#name},iff-no-pi,iff-up`;
    const udp = `UDP4-DATAGRAM:${LOOPBACK}:${own},bind=${LOOPBACK}:${port}`;
    const helper = spawn('socat', ['-b', '65536', tun, udp], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#helper = helper;
    let complaint = '';
    helper.stderr.on('data', (text: Buffer) => {
      complaint = (complaint + text.toString('utf8')).slice(-1000);
    });
    helper.on('error', (error) => this.#gone(error.message));
    // Not at 'exit', when what it wrote last may not have been read yet.
    helper.on('close', () => this.#gone(complaint.trim().split('\n').at(-1) ?? ''));
    // From here on only datagrams of socat's are taken.
    this.#socket.connect(port, LOOPBACK, () => {
      this.#connected = true;
      for (const data of this.#queued.splice(0)) this.#send(data);
    });
  }

  #send(data: Uint8Array): void {
    if (this.#closed) return;
    if (this.#connected) this.#socket.send(data);
    else if (this.#queued.length < MAX_QUEUED_FRAMES) this.#queued.push(data);
  }

  #gone(why: string): void {
    if (!this.#closed)
      this.#tell(`tap device ${this.#name}: socat has ended: ${why || 'it does not say why'}`);
    this.close();
  }
}
