import { runningMachines } from '../control/client.ts';
import type { MachineStats } from '../control/stats.ts';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';

const NS_PER_SECOND = 1e9;

/** `domu list`. @returns the exit code */
export async function list({ json }: { readonly json: boolean }, io: HostIo): Promise<number> {
  const machines = await runningMachines();
  const found: { pid: number; stats: MachineStats }[] = [];
  for (const { client, hello } of machines) {
    found.push({ pid: hello.pid, stats: (await client.request('stats')) as MachineStats });
    client.close();
  }
  if (json) {
    const all = found.map(({ pid, stats }) => ({ pid, ...stats }));
    io.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
    return EXIT_OK;
  }
  const row = (...cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 1 ? cell.padEnd(24) : cell.padStart(WIDTHS[i]))).join(' ');
  const lines = [row('PID', 'NAME', 'ID', 'MEM', 'VCPUS', 'STATE', 'TIME(S)')];
  for (const { pid, stats } of found) {
    for (const { domid, name, state, memoryMiB, vcpus } of stats.domains) {
      const seconds = vcpus.reduce((sum, { ranNs }) => sum + ranNs, 0) / NS_PER_SECOND;
      lines.push(
        row(`${pid}`, name, `${domid}`, `${memoryMiB}`, `${vcpus.length}`, state, seconds.toFixed(1)),
      );
    }
  }
  io.stdout.write(`${lines.join('\n')}\n`);
  return EXIT_OK;
}

const WIDTHS = [7, 24, 4, 6, 5, 9, 9];
