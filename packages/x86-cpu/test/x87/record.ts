// Records test/vectors/x87.bin.gz on this processor; `--full N` compares N fresh vectors of each form instead.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from './check.ts';
import { FORMS, requests } from './generate.ts';
import { pack, recordedRequests } from './vectors.ts';

const { values } = parseArgs({
  options: {
    full: { type: 'string' },
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '1' },
  },
});
const BUFFER = 2 ** 30;

const directory = mkdtempSync(join(tmpdir(), 'domu-x87-'));
try {
  const program = join(directory, 'native');
  const source = fileURLToPath(new URL('native.c', import.meta.url));
  execFileSync('gcc', ['-m32', '-O1', '-fno-pie', '-no-pie', '-o', program, source]);
  const answer = (input: Uint8Array): Uint8Array =>
    new Uint8Array(spawnSync(program, { input, maxBuffer: BUFFER }).stdout);
  if (values.full === undefined) {
    const sent = recordedRequests();
    const packed = pack(sent, answer(sent));
    writeFileSync(fileURLToPath(new URL('../vectors/x87.bin.gz', import.meta.url)), packed);
    console.log(`${packed.length} bytes`);
  } else {
    const count = Number(values.full);
    let [vectors, compiled, bad] = [0, 0, 0];
    for (let round = 0; round < Number(values.rounds); round++) {
      const sent = requests(Number(values.seed) + round * 1_000_003, count);
      const report = check(FORMS, sent, answer(sent), count);
      vectors += report.vectors;
      compiled += report.compiled;
      bad += report.mismatches.length;
      for (const line of report.mismatches.slice(0, 20)) console.log(line);
    }
    console.log(`${vectors} vectors interpreted, ${compiled} of them compiled as well: ${bad} mismatches`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
