import { resolve } from 'node:path';
import type { RunningMachine } from '../control/client.ts';
import { withMachine } from '../control/with-machine.ts';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';

/** What `domu trace` was asked. */
export interface TraceOptions {
  readonly machine: string | null;
  readonly file: string;
  /** null: until a signal or the end of the machine. */
  readonly seconds: number | null;
}

/** `domu trace`. @returns the exit code. Errors: UserError */
export function trace({ machine, file, seconds }: TraceOptions, io: HostIo): Promise<number> {
  return withMachine(
    machine,
    io,
    async (found) => {
      const { client } = found;
      await client.request('trace.start', { file: resolve(file) });
      if (io.stderr.isTTY === true && seconds === null) io.stderr.write('domu: tracing; Ctrl-C ends it\n');
      const timer = seconds === null ? null : setTimeout(() => stop(found), seconds * 1000);
      await client.closed;
      if (timer !== null) clearTimeout(timer);
      return EXIT_OK;
    },
    stop,
  );
}

/** The answer says that the file is complete. */
function stop({ client }: RunningMachine): void {
  void client
    .request('trace.stop')
    .catch(() => null)
    .then(() => client.close());
}
