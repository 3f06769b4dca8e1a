/**
 * Compiled code in lockstep with the interpreter over many random programs.
 *
 *   npx tsx --conditions=@domu/source packages/x86-cpu/test/lockstep/offline.ts --from SEED --programs N
 */
import { parseArgs } from 'node:util';
import { Lockstep } from './lockstep.ts';

const { values } = parseArgs({
  options: { from: { type: 'string', default: '1' }, programs: { type: 'string', default: '1000' } },
});
const REPORT_EVERY = 10_000;

function main(): void {
  const [from, programs] = [Number(values.from), Number(values.programs)];
  const lockstep = new Lockstep();
  let different = 0;
  const report = (done: number): void => {
    const { compiled, modules, retired } = lockstep;
    const counts = `${compiled} regions in ${modules} modules, ${retired} instructions`;
    console.log(`seeds ${from} to ${from + done - 1}: ${counts}, ${different} differ`);
  };
  for (let done = 0; done < programs; done++) {
    if (done > 0 && done % REPORT_EVERY === 0) report(done);
    const difference = lockstep.run(from + done);
    if (!difference) continue;
    different++;
    console.log(JSON.stringify(difference));
  }
  report(programs);
}

main();
