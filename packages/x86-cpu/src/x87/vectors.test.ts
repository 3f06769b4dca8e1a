import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { check, FORMS } from '../../test/x87/check.ts';
import { RECORDED, recordedRequests, unpack } from '../../test/x87/vectors.ts';

const sent = recordedRequests();
const packed = readFileSync(new URL('../../test/vectors/x87.bin.gz', import.meta.url));
const received = unpack(sent, packed);

describe('x87 vectors recorded on a processor', () => {
  it('every form does what the processor did, interpreted', () => {
    const report = check(FORMS, sent, received, RECORDED.count, { interpreter: true, jit: false });
    expect(report.mismatches).toEqual([]);
    expect(report.vectors).toBe(FORMS.length * RECORDED.count);
  }, 120_000);

  it('every form does what the processor did, compiled', () => {
    const report = check(FORMS, sent, received, RECORDED.count, { interpreter: false, jit: true });
    expect(report.mismatches).toEqual([]);
    expect(report.compiled).toBeGreaterThan(FORMS.length * 50);
  }, 120_000);
});
