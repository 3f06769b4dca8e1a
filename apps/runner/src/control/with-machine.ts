import type { HostIo } from '../io.ts';
import { findMachine, type RunningMachine } from './client.ts';

/**
 * Does something with a running machine; a signal ends what would go on for ever.
 * @param which as for `findMachine`
 * @param leave what a signal does
 * Errors: UserError
 */
export async function withMachine<T>(
  which: string | null,
  io: HostIo,
  use: (machine: RunningMachine) => Promise<T>,
  leave: (machine: RunningMachine) => void = ({ client }) => client.close(),
): Promise<T> {
  const machine = await findMachine(which);
  const stopSignals = io.onSignal(() => leave(machine));
  const readerGone = (): void => machine.client.close();
  io.stdout.on('error', readerGone);
  try {
    return await use(machine);
  } finally {
    stopSignals();
    io.stdout.off('error', readerGone);
    machine.client.close();
  }
}
