import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { fromByteString } from '../../abi/bytes.ts';
import { hashName } from './name-hash.ts';

const NAMES = ['a', 'file', 'libstdc++.so.6.0.30', 'x'.repeat(31), 'y'.repeat(32), 'z'.repeat(33), 'é\xff'];
const SEED = 'a68905c0-2d89-4270-8fe8-d2a94786657e';
const seedWords = (uuid: string) => {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  return [0, 4, 8, 12].map((at) => bytes.readUInt32LE(at));
};

/** What debugfs says, with a seed. */
function oracle(name: string, kind: string): number | undefined {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const args = ['-R', `dx_hash -h ${kind} -s ${SEED} ${name}`];
  const { stdout } = spawnSync('debugfs', args, { env, encoding: 'latin1' });
  const found = /is 0x([0-9a-f]+)/.exec(stdout ?? '');
  return found === null ? undefined : Number.parseInt(found[1]!, 16);
}

describe('hash of a name', () => {
  for (const [version, kind] of ['legacy', 'half_md4', 'tea'].entries()) {
    it(`${kind} is what debugfs says`, () => {
      for (const name of NAMES.slice(0, 6)) {
        const hash = hashName(fromByteString(name), { version, seed: seedWords(SEED), unsigned: false });
        expect([name, hash]).toEqual([name, oracle(name, kind)]);
      }
    });
  }

  it('depends on whether bytes are signed', () => {
    const seed = [0, 0, 0, 0];
    const bytes = fromByteString('\xe9\xff');
    const signed = hashName(bytes, { version: 1, seed, unsigned: false });
    expect(signed).not.toBe(hashName(bytes, { version: 1, seed, unsigned: true }));
    expect(hashName(bytes, { version: 6, seed, unsigned: true })).toBeUndefined();
  });
});
