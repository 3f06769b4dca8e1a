/**
 * Two domains share memory and signal each other: 100000 rounds of map, event there and back, copy, unmap. Fails when a
 * check in a guest fails, or when a grant mapping or port is left. `--quick`: 1000 rounds, for CI.
 */
import { HostClock } from '@domu/xen-hypervisor';
import { TwoDomainMachine } from '../test/two-domains.ts';

const rounds = process.argv.includes('--quick') ? 1000 : 100_000;
const SLICES = 10_000;

for (const fifoClient of [false, true]) {
  const clock = new HostClock(() => performance.now() * 1e6, 0);
  const pair = new TwoDomainMachine({ clock }, { rounds, fifoClient });
  const start = performance.now();
  const codes = pair.run(SLICES);
  const ms = performance.now() - start;
  const { liveGrants, livePorts } = pair.machine;
  if (codes.some((code) => code !== 0)) throw new Error(`a guest ended with ${codes.join(', ')}`);
  if (liveGrants + livePorts > 0) throw new Error(`${liveGrants} grants and ${livePorts} ports are left`);
  const perSecond = Math.round((rounds * 1000) / ms).toLocaleString('en');
  const abi = fifoClient ? 'FIFO' : '2-level';
  console.log(
    `${rounds} rounds, ${abi} events: ${perSecond}/s, ${((ms * 1000) / rounds).toFixed(1)} us each; nothing left`,
  );
}
