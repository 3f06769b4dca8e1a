import { withMachine } from '../control/with-machine.ts';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import type { LogLine } from '../run/xen-log.ts';

const NS_PER_SECOND = 1e9;

/** What `domu dmesg` was asked. */
export interface DmesgOptions {
  readonly machine: string | null;
  readonly follow: boolean;
  readonly json: boolean;
}

/** `domu dmesg`. @returns the exit code. Errors: UserError */
export function dmesg({ machine, follow, json }: DmesgOptions, io: HostIo): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    const show = (line: LogLine): void =>
      void io.stdout.write(`${json ? JSON.stringify(line) : lineText(line)}\n`);
    const lines = await client.request('dmesg', { follow }, (line) => show(line as LogLine));
    for (const line of lines as LogLine[]) show(line);
    if (follow) await client.closed;
    return EXIT_OK;
  });
}

/** As the kernel's dmesg has it. */
function lineText({ ns, text }: LogLine): string {
  return `[${(ns / NS_PER_SECOND).toFixed(6).padStart(12)}] ${text}`;
}
