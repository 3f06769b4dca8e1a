import { X87Batch } from './batch.ts';
import { FORMS, type Form } from './generate.ts';
import { X87Machine } from './machine.ts';
import { differences } from './vectors.ts';
import { type Outcome, REQUEST_BYTES, RESPONSE_BYTES, readOutcome } from './wire.ts';

export interface CheckReport {
  vectors: number;
  /** Vectors that also ran in a loop that was compiled. */
  compiled: number;
  /** Of the processor and ours, by form. */
  readonly mismatches: string[];
}

const BATCH = 2000;
const MASKS = 0x3f;

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** Runs vectors of `forms`, `count` of each, by the interpreter and by compiled code. */
export function check(
  forms: readonly Form[],
  sent: Uint8Array,
  received: Uint8Array,
  count: number,
  lanes: { readonly interpreter: boolean; readonly jit: boolean } = { interpreter: true, jit: true },
): CheckReport {
  const report: CheckReport = { vectors: 0, compiled: 0, mismatches: [] };
  const machine = new X87Machine();
  const batch = new X87Batch();
  const compare = (form: Form, request: Uint8Array, host: Outcome, ours: Outcome, lane: string): void => {
    const found = differences(form.name, host, ours);
    if (found.length > 0)
      report.mismatches.push(`${form.name} (${lane}): ${found.join(', ')}; ${hex(request)}`);
  };
  forms.forEach((form, f) => {
    const runnable: { request: Uint8Array; host: Outcome }[] = [];
    for (let n = f * count; n < (f + 1) * count; n++) {
      const request = sent.subarray(n * REQUEST_BYTES, (n + 1) * REQUEST_BYTES);
      const host = readOutcome(received, n * RESPONSE_BYTES);
      report.vectors++;
      if (lanes.interpreter) compare(form, request, host, machine.run(request), 'interpreter');
      if (isRunnable(request, host)) runnable.push({ request, host });
    }
    if (!lanes.jit) return;
    for (let at = 0; at < runnable.length; at += BATCH) {
      const part = runnable.slice(at, at + BATCH);
      const ours = batch.run(
        form.code,
        part.map((p) => p.request),
      );
      for (const [i, { request, host }] of part.entries()) {
        compare(form, request, host, ours[i] as Outcome, 'compiled');
      }
      report.compiled += part.length;
    }
  });
  return report;
}

/** Neither traps nor leaves an exception pending, which the loop's next instruction would raise. */
function isRunnable(request: Uint8Array, host: Outcome): boolean {
  const control = (request[0] ?? 0) & MASKS;
  const pending = ((request[2] ?? 0) | host.status) & ~control & MASKS;
  return host.vector === 0 && pending === 0;
}

export { FORMS };
