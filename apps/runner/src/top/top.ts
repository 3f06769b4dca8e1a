import { setTimeout as wait } from 'node:timers/promises';
import { machineText, type RunningMachine } from '../control/client.ts';
import type { MachineStats } from '../control/stats.ts';
import { withMachine } from '../control/with-machine.ts';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import { coloursFor } from '../terminal/colours.ts';
import { FullScreen } from '../terminal/full-screen.ts';
import { topTable } from './table.ts';

const WIDE = 200;

/** What `domu top` was asked. */
export interface TopOptions {
  readonly machine: string | null;
  readonly intervalSeconds: number;
  /** null: until q, Ctrl-C or the end of the machine. */
  readonly count: number | null;
  readonly batch: boolean;
  readonly json: boolean;
}

/** `domu top`. @returns the exit code. Errors: UserError when there is no machine */
export function top(options: TopOptions, io: HostIo): Promise<number> {
  return withMachine(options.machine, io, async (machine) => {
    const onScreen = io.stdout.isTTY === true && !options.batch && !options.json;
    const screen = onScreen ? new FullScreen(io, () => machine.client.close()) : null;
    let ended = false;
    const end = machine.client.closed.then(() => {
      ended = true;
    });
    try {
      let before = await statsOf(machine);
      if (before !== null && screen !== null) show(screen, machine, before, before, io);
      for (let looks = 0; before !== null && (options.count === null || looks < options.count); looks++) {
        const pause = new AbortController();
        await Promise.race([
          wait(options.intervalSeconds * 1000, null, { signal: pause.signal }).catch(() => {}),
          end,
        ]);
        pause.abort();
        const now: MachineStats | null = ended ? null : await statsOf(machine);
        if (now === null) break;
        if (options.json) io.stdout.write(`${JSON.stringify(now)}\n`);
        else if (screen !== null) show(screen, machine, before, now, io);
        else
          io.stdout.write(
            `${topTable(machineText(machine.hello), before, now, { columns: WIDE, colours: coloursFor(io.stdout) }).join('\n')}\n\n`,
          );
        before = now;
      }
      return EXIT_OK;
    } finally {
      screen?.close();
    }
  });
}

/** @returns null when the machine has ended meanwhile */
async function statsOf({ client }: RunningMachine): Promise<MachineStats | null> {
  const answer = client.request('stats').catch(() => null);
  return (await answer) as MachineStats | null;
}

function show(
  screen: FullScreen,
  machine: RunningMachine,
  before: MachineStats,
  now: MachineStats,
  io: HostIo,
): void {
  const { columns = 80 } = io.stdout;
  screen.show([
    ...topTable(machineText(machine.hello), before, now, { columns, colours: coloursFor(io.stdout) }),
    '',
    'q leaves',
  ]);
}
