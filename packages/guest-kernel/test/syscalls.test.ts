import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { callTable, LIMITS } from '../src/syscall/table.ts';
import { firstRungs } from '../tools/ladder.ts';
import { syscallDocument } from '../tools/syscalls.ts';

describe('the table of system calls', () => {
  it('has each number and each name once', () => {
    const rows = callTable();
    expect(new Set(rows.map(({ number }) => number)).size).toBe(rows.length);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });

  it('says what is left out only of calls that are served', () => {
    const served = new Set(callTable().flatMap(({ name, support }) => (support === 'none' ? [] : [name])));
    expect(Object.keys(LIMITS).filter((name) => !served.has(name))).toEqual([]);
  });

  it('has every call of the ladder', () => {
    const known = new Set(callTable().map(({ name }) => name));
    expect([...firstRungs().keys()].filter((name) => !known.has(name))).toEqual([]);
  });

  it('serves at least 300 calls', () => {
    expect(callTable().filter(({ support }) => support !== 'none').length).toBeGreaterThanOrEqual(300);
  });

  it('is what docs/SYSCALLS.md shows', () => {
    const text = readFileSync(new URL('../../../docs/SYSCALLS.md', import.meta.url), 'utf8');
    expect(text).toBe(syscallDocument());
  });
});
