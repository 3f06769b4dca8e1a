import { describe, expect, it } from 'vitest';
import { HELPERS } from '../helpers/index.ts';
import type { AnyOperand, Row } from '../row.ts';
import { SEGMENTS } from './common.ts';
import { ROWS } from './index.ts';

const OPERAND =
  /^[=+]?(E[bwdv]|G[bwdv]|Z[bv]|I(b|bs|w|z|v)|J[bz]|O[bv]|M|[XY][bv]|Rd|[CD]d|Ap|1|AL|CL|DX|eAX|[VWUPQN][xuqdw]|[ECSDFG]S|STi)$/;
const label = (r: Row): string => `${r.opcode.toString(16)} ${r.mnemonic} ${r.operands.join()}`;

/** Every (opcode, ModRM.reg, register or memory, prefix) that a row answers. */
function slots(r: Row): string[] {
  const prefix = r.prefix ?? 0;
  const regs = r.ext === undefined ? [0, 1, 2, 3, 4, 5, 6, 7] : [r.ext];
  const mods = r.mod === undefined ? ['reg', 'mem'] : [r.mod];
  return regs.flatMap((reg) => mods.map((mod) => `${r.opcode.toString(16)} /${reg} ${mod} ${prefix}`));
}

interface Use {
  readonly operations: Set<string>;
  readonly helpers: Set<string>;
}

/** Runs the semantics over an algebra that only writes down which operations were asked for. */
function observe(r: Row, size: 16 | 32): Use {
  const operations = new Set<string>();
  const helpers = new Set<string>();
  const value = Object.assign(() => value, { get: () => value, set: () => {}, sget: () => value, size });
  const vector = { vget: () => value, vset: () => {} };
  const operand = {
    get: () => value,
    sget: () => value,
    set: () => {},
    offset: () => value,
    size,
    ...vector,
  };
  const resolved = { ...operand, at: () => operand, at64: () => operand } as unknown as AnyOperand;
  const branch = (_cond: unknown, then: () => void, otherwise?: () => void): void => {
    then();
    otherwise?.();
  };
  const bothWays = (first: (unless: () => void) => void, second: () => void): void => {
    first(() => {});
    second();
  };
  const ops = new Proxy(
    {},
    {
      get(_target, name: string) {
        if (name === 'size') return size;
        operations.add(name);
        if (name === 'if' || name === 'fif') return branch;
        if (name === 'attempt' || name === 'falternative') return bothWays;
        if (name === 'fprecisions') return [64, 53];
        if (name === 'helper') return (helper: string) => helpers.add(helper);
        if (
          name === 'reg' ||
          name === 'mem' ||
          name === 'stackSlot' ||
          name === 'addrReg' ||
          name === 'field' ||
          name === 'mxcsr'
        )
          return () => operand;
        return () => value;
      },
    },
  );
  r.sem(ops as never, resolved, resolved, resolved);
  return { operations, helpers };
}

describe('instruction table', () => {
  it('answers every encoding with one row', () => {
    const seen = new Map<string, string>();
    for (const r of ROWS) {
      for (const slot of slots(r)) {
        expect(seen.get(slot), `${slot}: ${label(r)}`).toBeUndefined();
        seen.set(slot, label(r));
      }
    }
  });

  it('spells operands by the codes of the opcode maps', () => {
    const bad = ROWS.filter((r) => !r.operands.every((o) => OPERAND.test(o)));
    expect(bad.map(label)).toEqual([]);
  });

  it('keeps opcodes and extensions in range', () => {
    for (const r of ROWS) {
      expect(r.opcode <= 0xff || [0x0f, 0x0f38, 0x0f3a].includes(r.opcode >> 8), label(r)).toBe(true);
      expect(r.ext ?? 0, label(r)).toBeLessThan(8);
    }
  });

  it('locks only forms that write memory', () => {
    const lockable = ROWS.filter((r) => r.lockable);
    const writes = (r: Row): boolean => /^(\+E|M$)/.test(r.operands[0] ?? '') && r.mod !== 'reg';
    expect(lockable.filter((r) => !writes(r)).map(label)).toEqual([]);
  });

  it('names helpers that exist, and every helper is named', () => {
    const used = new Set(ROWS.flatMap((r) => [...observe(r, 32).helpers]));
    expect([...used].sort()).toEqual(Object.keys(HELPERS).sort());
  });

  it('gives every row semantics for both operand sizes', () => {
    for (const r of ROWS) {
      expect(() => observe(r, 16), label(r)).not.toThrow();
      expect(() => observe(r, 32), label(r)).not.toThrow();
    }
  });

  it('keeps helpers, exits and unusual state out of hot rows', () => {
    const cold = ['helper', 'exit', 'eflags', 'setEflags', 'mem', 'field', 'result'];
    const bad = ROWS.filter((r) => r.hot && cold.some((name) => observe(r, 32).operations.has(name)));
    expect(bad.map(label)).toEqual([]);
    expect(ROWS.filter((r) => r.hot && r.operands.some((o) => SEGMENTS.some((s) => o.endsWith(s))))).toEqual(
      [],
    );
  });

  it('covers every opcode of an i686 except those that are not instructions there', () => {
    const covered = new Set(ROWS.map((r) => r.opcode));
    const all = Array.from({ length: 512 }, (_, i) => (i < 256 ? i : 0x0f00 | (i - 256)));
    const missing = all.filter((opcode) => !covered.has(opcode)).map((opcode) => opcode.toString(16));
    const prefixes = ['f', '26', '2e', '36', '3e', '64', '65', '66', '67', 'f0', 'f2', 'f3'];
    const twoByte = [
      'f04 f0a f0c f0e f0f f24 f25 f26 f27 f36 f37 f38 f39 f3a f3b f3c f3d f3e f3f',
      'f78 f79 f7a f7b fa6 fa7 faa',
    ].flatMap((line) => line.split(' '));
    expect(missing).toEqual([...prefixes, ...twoByte]);
  });
});
