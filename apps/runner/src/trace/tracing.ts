import { closeSync, writeSync } from 'node:fs';
import type { SymbolTable } from '@domu/toolstack';
import type { Domain, Machine } from '@domu/xen-hypervisor';
import { ChromeTrace } from './chrome-trace.ts';
import { DeviceTracks } from './device-tracer.ts';
import { MachineTracer } from './machine-tracer.ts';

/** A guest can fill a disk with its trace: it ends here. */
const MAX_TRACE_BYTES = 1 << 30;

export interface TracingParts {
  readonly machine: Machine;
  /** Names of a domain's kernel. */
  readonly symbolsOf: (domain: Domain) => SymbolTable | null;
  /** Tells the user that a trace had to end before its time. */
  readonly tell: (text: string) => void;
  /** Bytes after which a trace ends; 1 GiB when absent. */
  readonly limit?: number;
}

/** The traces of one machine: one at a time. While there is none, nothing is done. */
export class Tracing {
  readonly devices: DeviceTracks = new DeviceTracks();
  readonly #parts: TracingParts;
  #running: { readonly tracer: MachineTracer; readonly file: TraceFile } | null = null;

  constructor(parts: TracingParts) {
    this.#parts = parts;
  }

  get on(): boolean {
    return this.#running !== null;
  }

  /**
   * Begins a trace, between two slices of the machine.
   * @param fd an open file; it is closed when the trace ends
   * @returns ends this trace, if it has not ended yet
   */
  start(fd: number): () => void {
    const { machine, symbolsOf } = this.#parts;
    const file = new TraceFile(fd, this.#parts.limit ?? MAX_TRACE_BYTES, (why) => {
      this.#parts.tell(`the trace ends here: ${why}`);
      this.#detach();
    });
    const tracer = new MachineTracer(machine, new ChromeTrace((bytes) => file.write(bytes)), symbolsOf);
    this.#running = { tracer, file };
    machine.observer = tracer;
    this.devices.tracer = tracer;
    return () => {
      if (this.#running?.tracer === tracer) this.stop();
    };
  }

  /** Ends the trace, if there is one, between two slices of the machine. */
  stop(): void {
    const running = this.#running;
    if (running === null) return;
    const { tracer, file } = running;
    this.#running = null;
    this.#detach();
    if (file.state === 'open') tracer.finish();
    else tracer.trace.buffer.drop();
    file.reopen();
    tracer.trace.close();
    closeSync(file.fd);
  }

  #detach(): void {
    this.#parts.machine.observer = null;
    this.devices.tracer = null;
  }
}

/** A file that takes no more when it is full or the host cannot write it. What comes in one piece is kept as a whole. */
class TraceFile {
  state: 'open' | 'full' | 'failed' = 'open';
  readonly fd: number;
  readonly #limit: number;
  readonly #ended: (why: string) => void;
  #written = 0;

  constructor(fd: number, limit: number, ended: (why: string) => void) {
    this.fd = fd;
    this.#limit = limit;
    this.#ended = ended;
  }

  write(bytes: Uint8Array): void {
    if (this.state !== 'open') return;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
    } catch (error) {
      this.state = 'failed';
      return this.#ended(error instanceof Error ? error.message : String(error));
    }
    this.#written += bytes.length;
    if (this.#written < this.#limit) return;
    this.state = 'full';
    this.#ended(`it has more than ${this.#limit} bytes`);
  }

  /** Takes the end of the file though it is full. */
  reopen(): void {
    if (this.state === 'full') this.state = 'open';
  }
}
