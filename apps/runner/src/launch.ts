import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { makeHelperThreadsNice } from './helper-threads.ts';

/** What the bundled command is given of a module's surroundings. */
type Bundle = (require: NodeJS.Require, filename: string) => void;

const bundle = fileURLToPath(new URL('domu.cjs', import.meta.url));
/** V8's own form of the functions that a run has used. V8 refuses what another version of it, or other flags, have made. */
const codeFile = `${bundle}.code`;

function readCode(): Buffer | undefined {
  try {
    return readFileSync(codeFile);
  } catch {
    return undefined;
  }
}

function keepCode(script: Script): void {
  const unfinished = `${codeFile}.${process.pid}`;
  writeFileSync(unfinished, script.createCachedData());
  renameSync(unfinished, codeFile);
}

makeHelperThreadsNice();
// The bundle is ASCII. With the code of an earlier run nothing of it is parsed, which is most of a short run's start.
const source = `(function (require, __filename) {${readFileSync(bundle, 'latin1')}\n})`;
const cachedData = readCode();
const script = new Script(source, { filename: bundle, ...(cachedData && { cachedData }) });
// Set where the command is built, for a run of everything that runs usually need.
if (process.env.DOMU_KEEP_CODE === '1') process.on('exit', () => keepCode(script));
const run: Bundle = script.runInThisContext();
run(createRequire(bundle), bundle);
