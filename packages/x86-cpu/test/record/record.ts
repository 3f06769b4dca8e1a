/**
 * Records the instruction vectors on this machine's processor. Needs gcc -m32 and the right to map pages below 64 KiB.
 *
 *   npx tsx --conditions=@domu/source packages/x86-cpu/test/record/record.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROWS } from '../../src/table/index.ts';
import { generate } from './generate.ts';
import { instancesOf } from './instances.ts';
import { buildRecorder, runNative } from './native.ts';
import { fingerprint, pack } from './pack.ts';

const HERE = import.meta.dirname;
const TARGET = join(HERE, '..', 'vectors', 'integer.bin.gz');

function main(): void {
  const work = mkdtempSync(join(tmpdir(), 'record-'));
  const instances = instancesOf(ROWS).map((instance) => ({ instance, inputs: generate(instance) }));
  const inputs = instances.flatMap((i) => i.inputs);
  const outputs = runNative(buildRecorder(work), join(work, 'inputs'), inputs).map((output, i) => {
    if (!output) throw new Error(`reaches memory outside of the address space: ${inputs[i]?.code}`);
    return output;
  });
  let at = 0;
  const recorded = instances.map(({ instance, inputs: own }) => {
    at += own.length;
    return {
      key: instance.key,
      fingerprint: fingerprint(own),
      inputs: own,
      outputs: outputs.slice(at - own.length, at),
    };
  });
  const packed = pack(recorded);
  writeFileSync(TARGET, packed);
  rmSync(work, { recursive: true });
  const rows = new Set(instances.map((i) => i.instance.row)).size;
  console.log(
    `${rows} rows, ${instances.length} instances, ${inputs.length} vectors, ${packed.length} bytes: ${TARGET}`,
  );
}

main();
