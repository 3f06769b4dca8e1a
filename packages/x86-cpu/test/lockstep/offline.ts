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
const PROGRAMS_PER_MACHINE = 10_000;

function main(): void {
  const [from, programs] = [Number(values.from), Number(values.programs)];
  let lockstep = new Lockstep();
  let [compiled, different] = [0, 0];
  for (let done = 0; done < programs; done++) {
    if (done > 0 && done % PROGRAMS_PER_MACHINE === 0) {
      compiled += lockstep.compiled;
      lockstep = new Lockstep();
      console.log(`${done} programs, ${compiled} regions, ${different} differ`);
    }
    const difference = lockstep.run(from + done);
    if (!difference) continue;
    different++;
    console.log(JSON.stringify(difference));
  }
  compiled += lockstep.compiled;
  console.log(`seeds ${from} to ${from + programs - 1}: ${compiled} regions, ${different} differ`);
}

main();
