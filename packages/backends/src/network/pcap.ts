import type { AttachedPort, EthernetNetwork, EthernetPort, Frame } from '@domu/netstack';

/** A moment since 1970. */
export interface PcapTime {
  readonly seconds: number;
  /** Below 10^9. */
  readonly nanoseconds: number;
}

/** Where a capture goes, and what time it is. */
export interface PcapOptions {
  /** Takes the bytes of the file, piece by piece; they are its to keep. */
  readonly write: (bytes: Uint8Array) => void;
  readonly now: () => PcapTime;
}

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINKTYPE_ETHERNET = 1;
const SNAPLEN = 262144;

/**
 * Writes a capture file. Frames stand in it as they passed: with blank checksums, and larger than the link's MTU when the
 * guest left it to others to cut them.
 * Source: draft-ietf-opsawg-pcap
 */
export class PcapWriter {
  readonly #options: PcapOptions;
  /** Records of frames that are being passed on, outermost first; null: not taken after all. */
  readonly #open: (Uint8Array | null)[] = [];
  #depth = 0;

  /** Writes the file's header. */
  constructor(options: PcapOptions) {
    this.#options = options;
    options.write(words(MAGIC_NANOSECONDS, 2 | (4 << 16), 0, 0, SNAPLEN, LINKTYPE_ETHERNET));
  }

  /**
   * Passes a frame on and writes a record of it if it was taken. What is captured from inside of `pass`, such as an answer,
   * comes behind it.
   * @returns what `pass` returned
   */
  capture(data: Uint8Array, pass: () => boolean): boolean {
    const { seconds, nanoseconds } = this.#options.now();
    const record = new Uint8Array(16 + data.length);
    record.set(words(seconds, nanoseconds, data.length, data.length));
    record.set(data, 16);
    const at = this.#open.push(record) - 1;
    this.#depth++;
    const taken = pass();
    this.#depth--;
    if (!taken) this.#open[at] = null;
    if (this.#depth === 0)
      for (const done of this.#open.splice(0)) if (done !== null) this.#options.write(done);
    return taken;
  }
}

/** @returns the network, with everything captured that its interfaces send and get */
export function capturedNetwork(network: EthernetNetwork, pcap: PcapWriter): EthernetNetwork {
  /** What a port refuses comes again, and is captured then. */
  const tapped = (port: EthernetPort, frame: Frame): boolean =>
    pcap.capture(frame.data, () => port.transmit(frame));
  return {
    attach(nic: EthernetPort): AttachedPort {
      const port = network.attach({
        get offloads() {
          return nic.offloads;
        },
        transmit: (frame) => tapped(nic, frame),
        resume: () => nic.resume(),
      });
      return {
        get offloads() {
          return port.offloads;
        },
        transmit: (frame) => tapped(port, frame),
        resume: () => port.resume(),
        close: () => port.close(),
      };
    },
  };
}

function words(...values: number[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * values.length));
  for (const [i, value] of values.entries()) bytes.setUint32(4 * i, value, true);
  return new Uint8Array(bytes.buffer);
}
