/**
 * SIGKILL of the whole process while a guest writes to an ext4 or ext3 disk: the journal is replayed, by e2fsck as by
 * the kernel itself; e2fsck finds nothing then, and every file whose fsync returned is there.
 * DOMU_KILLS=N: so many rounds, of the built runner.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { at, busyboxRoot, FETCH_TIMEOUT_MS, fetchedBusybox } from './busybox-world.ts';

const FULL = process.env.DOMU_KILLS !== undefined;
const ROUNDS = Number(process.env.DOMU_KILLS ?? 2);
const ROUND_MS = 120_000;
const DISK_BYTES = 96 << 20;
const SOURCE_BYTES = 1 << 20;
const BLOCK = 4096;
/** Files that are safe before the end comes, at some time after them. */
const SAFE_AT_LEAST = 3;
const LONGEST_MS = FULL ? 4000 : 1500;

const RUNNER = FULL
  ? [at('../../dist/main.js')]
  : ['--import', 'tsx', '--conditions=@domu/source', at('../../src/main.ts')];

/** Three writers of files that are synced, each said to be safe then; one that makes, moves and removes others. */
const INIT = `
busybox=/bin/busybox
for word in $($busybox cat /proc/cmdline); do case $word in do=*) task=\${word#do=};; esac; done
$busybox mount -o errors=remount-ro /dev/xvda /mnt || echo "MOUNT FAILED"
cd /mnt
if [ "$task" = verify ]; then
  for f in ?/f*; do set -- $($busybox sha256sum $f); echo "HAVE $2 $1 ;"; done
  cd /; $busybox umount /mnt && echo "end of verify"; $busybox poweroff -f
fi
$busybox mkdir a b c x; $busybox sync
writer() {
  i=0
  while true; do
    n=$((1+(i*7+$2)%48)); o=$((($2*100003+i*7919)%700001))
    $busybox dd if=/src of=$1/f$i bs=4k count=$n iflag=skip_bytes skip=$o conv=fsync 2>/dev/null && echo "SAFE $1/f$i $o $n ;"
    i=$((i+1))
  done
}
churn() {
  i=0
  while true; do
    $busybox dd if=/src of=x/t bs=64k count=8 2>/dev/null; $busybox mv x/t x/r$((i%6)); $busybox mkdir x/d$i
    $busybox ln -s r$i x/l$i; $busybox rm -rf x/l$((i-20)) x/d$((i-9)); i=$((i+1))
  done
}
writer a 0 & writer b 5 & writer c 17 & churn & wait`;

const sandbox = new Sandbox();
const busybox = fetchedBusybox();
afterAll(() => sandbox.remove());

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };
const tool = (name: string, ...args: string[]) => spawnSync(name, args, { encoding: 'latin1', env });

interface Guest {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  output: string;
}

function start(task: string, disk: string, ramdisk: string): Guest {
  const options = ['--ramdisk', ramdisk, '--memory', '64', '--disk', `${disk},raw,xvda,w`];
  const args = [...RUNNER, 'run', 'guest-kernel', ...options, '--cmdline', `quiet do=${task}`];
  const child = spawn(process.execPath, [...args, '--timeout', '100'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const guest: Guest = { child, output: '', ended: new Promise((done) => child.on('close', done)) };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('latin1').on('data', (text: string) => (guest.output += text));
  return guest;
}

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What e2fsck says against an image, after replaying its journal if `repairs`. */
function complaints(image: string, repairs: boolean): string {
  const replayed = repairs ? tool('e2fsck', '-p', image) : { status: 0, stdout: '' };
  const checked = tool('e2fsck', '-fn', image);
  return (replayed.status ?? 9) > 1 || checked.status !== 0 ? replayed.stdout + checked.stdout : '';
}

/** Runs until some time after the first safe files, then kills. @returns digests of what was safe by then */
async function killedWhileWriting(disk: string, ramdisk: string, source: Uint8Array) {
  const guest = start('write', disk, ramdisk);
  const safe = () => [...guest.output.matchAll(/SAFE (\w\/f\d+) (\d+) (\d+) ;/g)];
  while (guest.child.exitCode === null && safe().length < SAFE_AT_LEAST) await sleep(20);
  await sleep(100 + Math.random() * LONGEST_MS);
  const alive = guest.child.exitCode === null;
  guest.child.kill('SIGKILL');
  await guest.ended;
  expect([alive, guest.output.includes('FAILED'), alive ? '' : guest.output]).toEqual([true, false, '']);
  return safe().map(([, name, offset, count]) => {
    const from = Number(offset);
    return [name!, digestOf(source.subarray(from, from + BLOCK * Number(count)))] as const;
  });
}

test('what was synced is there after SIGKILL, and e2fsck finds nothing', {
  timeout: FETCH_TIMEOUT_MS + ROUNDS * ROUND_MS,
}, async ({ skip }) => {
  const fixture = busybox();
  if (fixture.missing !== undefined) return skip(fixture.missing);
  const source = new Uint8Array(randomBytes(SOURCE_BYTES));
  const ramdisk = sandbox.file('root.cpio', busyboxRoot(fixture.busybox, INIT, { src: source }));
  const total = { files: 0, replayed: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const disk = sandbox.file('disk.img', '');
    truncateSync(disk, DISK_BYTES);
    const made = tool('mke2fs', '-q', '-F', '-t', round % 3 === 1 ? 'ext3' : 'ext4', '-b', '4096', disk);
    expect([made.status, made.stderr]).toEqual([0, '']);
    const safe = await killedWhileWriting(disk, ramdisk, source);
    total.files += safe.length;
    if (/needs_recovery/.test(tool('dumpe2fs', '-h', disk).stdout)) total.replayed++;

    const copy = sandbox.path('copy.img');
    copyFileSync(disk, copy);
    expect([round, complaints(copy, true)]).toEqual([round, '']);
    const files = sandbox.path('files');
    rmSync(files, { recursive: true, force: true });
    mkdirSync(files);
    for (const name of 'abc') tool('debugfs', '-R', `rdump /${name} ${files}`, copy);
    const found = safe.map(([name]) => [name, digestOf(readFileSync(join(files, name)))]);
    expect([round, found]).toEqual([round, safe]);

    const verifier = start('verify', disk, ramdisk);
    await verifier.ended;
    expect(verifier.output).toContain('end of verify');
    const have = new Map(
      [...verifier.output.matchAll(/HAVE (\w\/f\d+) ([0-9a-f]{64}) ;/g)].map(([, n, d]) => [n, d]),
    );
    expect([round, safe.filter(([name, digest]) => have.get(name) !== digest)]).toEqual([round, []]);
    expect([round, complaints(disk, false)]).toEqual([round, '']);
    if (FULL) console.log(`round ${round}: ${safe.length} files safe, ${have.size} there`);
  }
  expect(total.replayed).toBe(ROUNDS);
  if (FULL) console.log(`${ROUNDS} rounds, ${total.files} files were synced and are there`);
});
