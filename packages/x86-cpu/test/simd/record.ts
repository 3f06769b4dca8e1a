import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROWS } from '../../src/table/index.ts';
import { simdInstances } from './generate.ts';
import { buildRecorder, runNative } from './native.ts';
import { fingerprint, pack } from './pack.ts';
import { recordedInputs } from './recorded.ts';

/** Records the vectors of the test on this processor. usage: tsx record.ts */
const TARGET = fileURLToPath(new URL('../vectors/simd.bin.gz', import.meta.url));

const work = mkdtempSync(join(tmpdir(), 'simd-'));
const recorder = buildRecorder(work);
const instances = simdInstances(ROWS);
const inputs = instances.flatMap(recordedInputs);
const outputs = runNative(recorder, inputs);
const packed = pack(
  fingerprint(inputs),
  inputs.map((input, i) => [input, outputs[i]!]),
);
writeFileSync(TARGET, packed);
rmSync(work, { recursive: true });
console.log(`${instances.length} instances, ${inputs.length} vectors, ${packed.length} bytes: ${TARGET}`);
