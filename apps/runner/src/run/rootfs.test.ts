import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Sandbox } from '../../test/harness.ts';
import { UserError } from '../user-error.ts';
import { readRootfs } from './rootfs.ts';
import { readTar } from './tar.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const LONG = `${'long/'.repeat(30)}name`;
const tree = sandbox.path('tree');

beforeAll(() => {
  mkdirSync(`${tree}/${LONG}`, { recursive: true });
  writeFileSync(`${tree}/${LONG}/file`, 'deep');
  writeFileSync(`${tree}/program`, 'run me', { mode: 0o755 });
  symlinkSync('program', `${tree}/link`);
});

test.each(['ustar', 'gnu', 'pax'])(
  'a tar archive of format %s has the same members as the directory',
  (format) => {
    const archive = execFileSync('tar', ['-C', tree, `--format=${format}`, '--sort=name', '-cf', '-', '.'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const shown = (members: ReturnType<typeof readTar>) =>
      members.map(({ name, mode, data }) => [name, mode, data && Buffer.from(data).toString()]);
    const members = new Map(readTar(archive).map((member) => [member.name, member]));
    expect(shown([...members.values()].filter(({ name }) => !name.includes('/')))).toEqual([
      ['link', 0o120777, 'program'],
      ['long', 0o040755, ''],
      ['program', 0o100755, 'run me'],
    ]);
    expect(Buffer.from(members.get(`${LONG}/file`)?.data ?? []).toString()).toBe('deep');
  },
);

test('a directory becomes an archive, a packed archive is unpacked, an ext2 image is a disk', () => {
  const archive = readRootfs(tree);
  if (archive.kind !== 'archive') throw new Error('no archive');
  expect(Buffer.from(archive.bytes.subarray(0, 6)).toString()).toBe('070701');
  expect(readRootfs(sandbox.file('packed', gzipSync(archive.bytes)))).toEqual({
    kind: 'archive',
    bytes: Buffer.from(archive.bytes),
  });
  const image = new Uint8Array(4096);
  image.set([0x53, 0xef], 1024 + 56);
  expect(readRootfs(sandbox.file('image', image))).toEqual({ kind: 'disk' });
});

test('what is none of these is refused in one line', () => {
  for (const path of [
    sandbox.path('nothing'),
    sandbox.file('text', 'hello'),
    sandbox.file('cut', gzipSync('x').subarray(0, 9)),
  ])
    expect(() => readRootfs(path)).toThrow(UserError);
  expect(() => readRootfs(sandbox.path('nothing'))).toThrow(
    /^--rootfs: .*nothing cannot be read \(ENOENT\); expected a directory/,
  );
});
