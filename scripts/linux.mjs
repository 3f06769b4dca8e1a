// `node scripts/linux.mjs KERNEL...`: boots 32-bit PAE PV kernels of Linux (vmlinux or bzImage, with the options that
// docs/GUESTS.md lists) with an initramfs of Debian's busybox: to the first line of user space under both clocks and both
// engines, twice the same under the virtual clock; with several vCPUs under load; to a panic.
// `--busybox FILE`: a static i386 busybox, instead of Debian's; `--symbols FILE`: the System.map. Exit code: 0 all as expected, 1 a deviation, 2 wrong use.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { initramfs, staticBusybox } from './initramfs.mjs';
import { builtMain, prepare, runMain, UserError } from './workspace.mjs';

const timeoutSeconds = 600;
const firstLine = 'first line of user space';
/** What process 1 does; `load` computes on all vCPUs at once. */
const init = `
mount -t proc proc /proc
mount -t sysfs sysfs /sys
echo "${firstLine}"
for word in $(cat /proc/cmdline); do case $word in do=*) task=\${word#do=};; esac; done
load() { dd if=/dev/zero bs=64k count=16 2>/dev/null | sha256sum; }
case $task in
  load)
    echo "vcpus $(nproc), $(grep -c ^processor /proc/cpuinfo) in cpuinfo"
    for i in $(seq 8); do load > /tmp/$i & done
    wait
    echo "results $(cat /tmp/? | sort -u)"
    poweroff -f;;
  panic) echo c > /proc/sysrq-trigger;;
esac
poweroff -f`;

function domu(args) {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [builtMain, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('latin1').on('data', (text) => (output[name] += text));
    child.on('error', failed);
    child.on('close', (code) => done({ code, ...output }));
  });
}

/** Boots once. @returns what the run said, and its statistics */
async function boot({ kernel, ramdisk, dir, cmdline = '', options = [] }) {
  const stats = join(dir, 'stats.json');
  const result = await domu([
    'run',
    kernel,
    ...['--ramdisk', ramdisk, '--cmdline', `console=hvc0 ${cmdline}`],
    ...['--memory', '128', '--timeout', `${timeoutSeconds}`, '--stats', stats, ...options],
  ]);
  const numbers = existsSync(stats) ? JSON.parse(readFileSync(stats, 'utf8')) : {};
  return { ...result, instructions: numbers.instructionsRetired ?? 0, seconds: numbers.wallSeconds ?? 0 };
}

/** What each `load` says: SHA-256 of 1 MiB of zeros. */
const zerosDigest = createHash('sha256')
  .update(Buffer.alloc(1 << 20))
  .digest('hex');
const digest = (text) => createHash('sha256').update(text).digest('hex').slice(0, 12);

let deviations = 0;
function tell(ok, what, detail, result) {
  if (!ok) deviations++;
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${what.padEnd(52)} ${detail}`);
  if (!ok)
    console.log(
      `${result.stdout.slice(-2000).replaceAll('\r', '')}${result.stderr}`
        .trimEnd()
        .replaceAll(/^/gm, '    | '),
    );
}

async function bootLines(common, name) {
  for (const clock of ['host', 'virtual']) {
    for (const engine of ['interpreter', 'jit']) {
      const options = ['--clock', clock, '--engine', engine, '--expect', firstLine];
      const result = await boot({ ...common, options });
      const detail = `${result.seconds.toFixed(2)} s, ${(result.instructions / 1e6).toFixed(1)} M instructions`;
      tell(result.code === 0, `${name}, ${clock} clock, ${engine}`, detail, result);
    }
  }
}

async function repeats(common, name) {
  const said = [];
  for (const engine of ['interpreter', 'jit', 'jit']) {
    const options = ['--clock', 'virtual', '--engine', engine, '--expect', firstLine];
    const result = await boot({ ...common, options });
    said.push({ result, line: `${result.instructions} instructions, console ${digest(result.stdout)}` });
  }
  const same = said.every(({ line, result }) => result.code === 0 && line === said[0].line);
  const detail = same ? said[0].line : said.map(({ line }) => line).join(' / ');
  tell(same, `${name}, three virtual runs are the same`, detail, said[0].result);
}

async function load(common, name, vcpus) {
  const options = ['--vcpus', `${vcpus}`, '--engine', 'jit'];
  const result = await boot({ ...common, cmdline: 'do=load', options });
  const ok =
    result.code === 0 &&
    result.stdout.includes(`vcpus ${vcpus}, ${vcpus} in cpuinfo`) &&
    new RegExp(`^results ${zerosDigest}  -\\r?$`, 'm').test(result.stdout) &&
    !/lockup|detected stall|blocked for more than/.test(result.stdout);
  tell(ok, `${name}, ${vcpus} vCPUs under load`, `${result.seconds.toFixed(1)} s`, result);
}

async function panics(common, name, symbols) {
  const options = symbols ? ['--symbols', symbols] : [];
  const result = await boot({ ...common, cmdline: 'do=panic', options });
  const traced = !symbols || /\[<[0-9a-f]{8}>\] panic\+/.test(result.stderr);
  tell(result.code === 3 && traced, `${name}, a panic is a crash`, symbols ? 'with names' : '', result);
}

await runMain(async () => {
  const { values, positionals } = parseArgs({
    options: { busybox: { type: 'string' }, symbols: { type: 'string' } },
    allowPositionals: true,
  });
  if (positionals.length === 0)
    throw new UserError('usage: node scripts/linux.mjs [--busybox FILE] [--symbols FILE] KERNEL...', 2);
  for (const file of [...positionals, ...Object.values(values)])
    if (!existsSync(file)) throw new UserError(`${file}: no such file`, 2);
  if (!(await prepare())) throw new UserError('the build failed');
  const busybox = values.busybox ?? staticBusybox();
  const dir = mkdtempSync(join(tmpdir(), 'domu-linux-'));
  try {
    const ramdisk = join(dir, 'initramfs.gz');
    writeFileSync(ramdisk, initramfs(busybox, init));
    for (const kernel of positionals) {
      const common = { kernel, ramdisk, dir };
      const name = basename(kernel);
      await bootLines(common, name);
      await repeats(common, name);
      await load(common, name, 2);
      await load(common, name, 4);
      await panics(common, name, values.symbols);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  console.log(deviations === 0 ? 'all as expected' : `${deviations} not as expected`);
  process.exitCode = deviations > 0 ? 1 : 0;
});
