import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll } from 'vitest';
import { cpio } from './user-program.ts';

type Fixture = { readonly busybox: string; readonly missing?: undefined } | { readonly missing: string };

export const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const FETCH_TIMEOUT_MS = 180_000;

/** Fetches Debian's static busybox for i386 before the tests of a file. @returns tells where it is, or why there is none */
export function fetchedBusybox(): () => Fixture {
  let fixture: Fixture = { missing: 'not fetched yet' };
  beforeAll(() => {
    const script = at('../../../../scripts/busybox-fixture.mjs');
    fixture = JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' }));
    if (fixture.missing !== undefined) console.warn(`tests with busybox skipped: ${fixture.missing}`);
  }, FETCH_TIMEOUT_MS);
  return () => fixture;
}

const NOTHING = new Uint8Array(0);

/** An initramfs with busybox, a few folders and more files; `init` is a shell script. */
export function busyboxRoot(
  busybox: string,
  init: string,
  more: Record<string, Uint8Array> = {},
): Uint8Array {
  const folders = ['bin/', 'dev/', 'etc/', 'mnt/', 'proc/', 'r/', 'root/', 'sys/', 'tmp/'];
  const program = readFileSync(busybox);
  return cpio({
    ...Object.fromEntries(folders.map((folder) => [folder, NOTHING])),
    'bin/busybox': program,
    // popen() of awk and others starts it.
    'bin/sh': program,
    ...more,
    // The shell starts applets by way of /proc/self/exe.
    init: Buffer.from(`#!/bin/busybox sh\n/bin/busybox mount -t proc proc /proc\n${init}\n`, 'latin1'),
  });
}
