import type { BlockObserver } from '@domu/backends';
import type { AttachedPort, EthernetNetwork, EthernetPort, Frame } from '@domu/netstack';
import {
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
} from '@domu/xen-abi';
import { encoded } from './byte-buffer.ts';
import { type EventHead, eventHead, type Track } from './chrome-trace.ts';
import { HOST_PID, type MachineTracer } from './machine-tracer.ts';

const OPERATIONS: Readonly<Record<number, string>> = {
  [BLKIF_OP_READ]: 'read',
  [BLKIF_OP_WRITE]: 'write',
  [BLKIF_OP_WRITE_BARRIER]: 'write barrier',
  [BLKIF_OP_FLUSH_DISKCACHE]: 'flush',
  [BLKIF_OP_DISCARD]: 'discard',
};
const SECTOR_BYTES = 512;
const SECTOR = encoded('"sector":');
const BYTES = encoded(',"bytes":');
const STATUS = encoded(',"status":');
const FRAME_BYTES = encoded('"bytes":');

/** The device's row in the trace that is being written now. */
interface Row {
  readonly tracer: MachineTracer;
  readonly track: Track;
  readonly heads: Map<string, EventHead>;
}

/** Where devices find the tracer, and get their rows: traces come and go while devices stay. */
export class DeviceTracks {
  tracer: MachineTracer | null = null;
  readonly #rows: Map<string, Row> = new Map();
  #nextTid = 10;

  /** @param name "d1 xvda". @returns null while nothing is traced */
  rowOf(name: string): Row | null {
    const { tracer } = this;
    if (tracer === null) return null;
    const known = this.#rows.get(name);
    if (known?.tracer === tracer) return known;
    const track = { pid: HOST_PID, tid: known?.track.tid ?? this.#nextTid++ };
    tracer.trace.nameTrack(track, name);
    const row = { tracer, track, heads: new Map() };
    this.#rows.set(name, row);
    return row;
  }
}

function headOf({ heads, track }: Row, phase: 'X' | 'i', category: string, name: string): EventHead {
  let head = heads.get(name);
  if (head === undefined) {
    head = eventHead(phase, track, category, name);
    heads.set(name, head);
  }
  return head;
}

/** Watches a disk's requests. */
export class DiskTracer implements BlockObserver {
  readonly #tracks: DeviceTracks;
  readonly #name: string;
  #startNs = 0;

  constructor(tracks: DeviceTracks, name: string) {
    this.#tracks = tracks;
    this.#name = name;
  }

  requestBegins(): void {
    const { tracer } = this.#tracks;
    if (tracer !== null) this.#startNs = tracer.now();
  }

  requestEnds(operation: number, sector: number, nrSectors: number, status: number): void {
    const row = this.#tracks.rowOf(this.#name);
    if (row === null) return;
    const { trace } = row.tracer;
    const name = OPERATIONS[operation] ?? `operation ${operation}`;
    trace.slice(headOf(row, 'X', 'block', name), this.#startNs, row.tracer.now());
    trace.buffer.put(SECTOR);
    trace.buffer.digits(sector);
    trace.buffer.put(BYTES);
    trace.buffer.digits(nrSectors * SECTOR_BYTES);
    trace.buffer.put(STATUS);
    trace.buffer.signed(status);
    trace.end();
  }
}

/** @returns the network, of which the frames are noted that are taken from and by the interface */
export function tracedNetwork(network: EthernetNetwork, tracks: DeviceTracks, name: string): EthernetNetwork {
  const watched = (port: EthernetPort, frame: Frame, what: string): boolean => {
    const taken = port.transmit(frame);
    const row = taken ? tracks.rowOf(name) : null;
    if (row === null) return taken;
    const { trace } = row.tracer;
    trace.instant(headOf(row, 'i', 'network', what), row.tracer.now());
    trace.buffer.put(FRAME_BYTES);
    trace.buffer.digits(frame.data.length);
    trace.end();
    return taken;
  };
  return {
    attach(nic: EthernetPort): AttachedPort {
      const port = network.attach({
        get offloads() {
          return nic.offloads;
        },
        transmit: (frame) => watched(nic, frame, 'to the guest'),
        resume: () => nic.resume(),
      });
      return {
        get offloads() {
          return port.offloads;
        },
        transmit: (frame) => watched(port, frame, 'from the guest'),
        resume: () => port.resume(),
        close: () => port.close(),
      };
    },
  };
}
