/**
 * Records the instruction vectors on this machine's processor. Needs gcc -m32 and the right to map pages below 64 KiB.
 *
 *   npx tsx --conditions=@domu/source packages/x86-cpu/test/record/record.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROWS } from '../../src/table/index.ts';
import { generate } from './generate.ts';
import { instancesOf } from './instances.ts';
import { fingerprint, pack } from './pack.ts';
import { decodeOutputs, encodeInputs } from './wire.ts';

const HERE = import.meta.dirname;
const TARGET = join(HERE, '..', 'vectors', 'integer.bin.gz');
const FLAGS = ['-m32', '-O2', '-Wall', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector'];
const MAX_OUTPUT = 1 << 30;

function main(): void {
  const work = mkdtempSync(join(tmpdir(), 'record-'));
  const recorder = join(work, 'recorder');
  execFileSync('gcc', [...FLAGS, '-o', recorder, join(HERE, 'recorder.c')], { stdio: 'inherit' });
  const instances = instancesOf(ROWS).map((instance) => ({ instance, inputs: generate(instance) }));
  const inputs = instances.flatMap((i) => i.inputs);
  const inputFile = join(work, 'inputs');
  writeFileSync(inputFile, encodeInputs(inputs));
  const raw = execFileSync(recorder, [inputFile], { maxBuffer: MAX_OUTPUT });
  if (!raw.equals(execFileSync(recorder, [inputFile], { maxBuffer: MAX_OUTPUT }))) {
    throw new Error('two recordings differ: an instruction reached memory outside of the address space');
  }
  const outputs = decodeOutputs(raw, inputs.length);
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
