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
/** V8 keeps what was compiled for a Cpu as long as that lives. */
const PROGRAMS_PER_CPU = 2000;

function main(): void {
  const [from, programs] = [Number(values.from), Number(values.programs)];
  let lockstep = new Lockstep();
  const totals = { regions: 0, modules: 0, instructions: 0 };
  let different = 0;
  const report = (done: number): void => {
    const { compiled, modules, retired } = lockstep;
    totals.regions += compiled;
    totals.modules += modules;
    totals.instructions += retired;
    const counts = Object.entries(totals).map(([name, count]) => `${count} ${name}`);
    console.log(`seeds ${from} to ${from + done - 1}: ${counts.join(', ')}, ${different} differ`);
  };
  for (let done = 0; done < programs; done++) {
    if (done > 0 && done % PROGRAMS_PER_CPU === 0) {
      report(done);
      lockstep = new Lockstep();
    }
    const difference = lockstep.run(from + done);
    if (!difference) continue;
    different++;
    console.log(JSON.stringify(difference));
  }
  report(programs);
}

main();
