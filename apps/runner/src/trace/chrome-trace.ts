import { ByteBuffer, encoded } from './byte-buffer.ts';

/** A row of the viewer: in Chrome's words a thread of a process. */
export interface Track {
  readonly pid: number;
  readonly tid: number;
}

/** What events have in common that differ in time and arguments only: all of them up to their time. */
export type EventHead = Uint8Array;

const OPENING = encoded('{"displayTimeUnit":"ns","traceEvents":[\n');
const CLOSING = encoded('\n]}\n');
const FIRST =
  '{"ph":"M","name":"trace_made_by","cat":"__metadata","pid":0,"tid":0,"ts":0,"args":{"name":"domu"}}';
const DURATION = encoded(',"dur":');
const ARGS = encoded(',"args":{');
const END = encoded('}}');
const MAX_NAME = 200;

/**
 * Writes Chrome's trace event format (the JSON object with traceEvents), which ui.perfetto.dev, chrome://tracing, the Performance
 * panel of Chrome's DevTools and speedscope open. An event is begun by `slice` or `instant`, gets its arguments through
 * `buffer`, and is ended by `end`.
 * Source: "Trace Event Format", the document that catapult's README names
 */
export class ChromeTrace {
  readonly buffer: ByteBuffer;

  /** @param write takes the bytes at once */
  constructor(write: (bytes: Uint8Array) => void) {
    this.buffer = new ByteBuffer(write);
    this.buffer.put(OPENING);
    this.buffer.put(encoded(FIRST));
  }

  nameProcess(pid: number, name: string): void {
    this.#metadata('process_name', { pid, tid: 0 }, `"name":${quoted(name)}`);
    this.#metadata('process_sort_index', { pid, tid: 0 }, `"sort_index":${pid}`);
  }

  nameTrack(track: Track, name: string): void {
    this.#metadata('thread_name', track, `"name":${quoted(name)}`);
    this.#metadata('thread_sort_index', track, `"sort_index":${track.tid}`);
  }

  /** Begins a slice of time. @param startNs, endNs nanoseconds, integers */
  slice(head: EventHead, startNs: number, endNs: number): void {
    const { buffer } = this;
    buffer.put(head);
    buffer.micros(startNs);
    buffer.put(DURATION);
    buffer.micros(endNs - startNs);
    buffer.put(ARGS);
  }

  /** Begins something that takes no time. */
  instant(head: EventHead, ns: number): void {
    const { buffer } = this;
    buffer.put(head);
    buffer.micros(ns);
    buffer.put(ARGS);
  }

  end(): void {
    this.buffer.put(END);
    this.buffer.flushIfFull();
  }

  /** Ends the file. */
  close(): void {
    this.buffer.put(CLOSING);
    this.buffer.flush();
  }

  #metadata(name: string, { pid, tid }: Track, args: string): void {
    const text = `,\n{"ph":"M","name":"${name}","cat":"__metadata","pid":${pid},"tid":${tid},"ts":0,"args":{${args}`;
    this.buffer.put(encoded(text));
    this.end();
  }
}

/** @param phase 'X' for slices, 'i' for instants */
export function eventHead(phase: 'X' | 'i', track: Track, category: string, name: string): EventHead {
  const scope = phase === 'i' ? '"s":"t",' : '';
  return encoded(
    `,\n{"ph":"${phase}",${scope}"cat":${quoted(category)},"name":${quoted(name)},"pid":${track.pid},"tid":${track.tid},"ts":`,
  );
}

/** Text as JSON has it; names may come from guests, so they are cut. */
export function quoted(text: string): string {
  return JSON.stringify(text.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_NAME));
}
