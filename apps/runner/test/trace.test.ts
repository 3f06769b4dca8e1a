import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Machine, VirtualClock } from '@domu/xen-hypervisor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tracing } from '../src/trace/tracing.ts';
import { openInDevTools, type ViewedSlice, type ViewedTrack } from './devtools.ts';
import { domu, guestKernel, HELLO, Sandbox } from './harness.ts';

const FIXTURE_SCRIPT = fileURLToPath(new URL('../../../scripts/test-fixture.mjs', import.meta.url));
const FETCH_TIMEOUT_MS = 180_000;

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const hello = sandbox.file('hello', guestKernel(HELLO));
const file = sandbox.path('trace.json');

const track = (tracks: readonly ViewedTrack[], process: RegExp, thread: string): readonly ViewedSlice[] => {
  const found = tracks.find((each) => process.test(each.process) && each.thread === thread);
  if (!found) throw new Error(`no row ${thread}: ${tracks.map((each) => `${each.process}/${each.thread}`)}`);
  return found.slices;
};

/** Everything lies within what it is in, and neighbours do not overlap: what a viewer shows is what was. */
function expectNested(slices: readonly ViewedSlice[]): void {
  const lastEnd = new Map<ViewedSlice | null, number>();
  for (const slice of slices) {
    const { parent, start, end } = slice;
    expect(end).toBeGreaterThan(start);
    if (parent) expect([start >= parent.start, end <= parent.end]).toEqual([true, true]);
    expect(start).toBeGreaterThanOrEqual(lastEnd.get(parent) ?? 0);
    lastEnd.set(parent, end);
  }
}

describe('a trace', () => {
  test('of a guest that prints and powers off opens in a viewer, named and nested', async () => {
    expect(await domu(['run', hello, '--clock', 'virtual', '--trace', file])).toMatchObject({
      code: 0,
      stderr: '',
    });
    const tracks = await openInDevTools(readFileSync(file, 'utf8'));
    for (const { slices } of tracks) expectNested(slices);
    const vcpu = track(tracks, /^d1 hello$/, 'vCPU 0');
    const names = vcpu.map(({ name }) => name);
    expect(names).toContain('event_channel_op send');
    expect(names).toContain('sched_op shutdown');
    const send = vcpu.find(({ name }) => name === 'event_channel_op send');
    expect(send?.parent?.name).toBe('running');
    expect(track(tracks, /host/, 'physical CPU')[0].name).toBe('d1v0 hello');
    expect(track(tracks, /host/, 'backends').length).toBeGreaterThan(0);
  });

  test('repeats byte for byte under the virtual clock, and does not change what the guest does', async () => {
    const again = sandbox.path('again.json');
    const [stats, traced] = [sandbox.path('stats'), sandbox.path('traced')];
    await domu(['run', hello, '--clock', 'virtual', '--stats', stats]);
    await domu(['run', hello, '--clock', 'virtual', '--trace', again, '--stats', traced]);
    expect(readFileSync(again, 'utf8')).toBe(readFileSync(file, 'utf8'));
    const retired = (path: string): number => JSON.parse(readFileSync(path, 'utf8')).instructionsRetired;
    expect(retired(traced)).toBe(retired(stats));
  });

  test('of a guest with symbols names where its exceptions came from; calls within a multicall lie within it', async () => {
    const source = `
    mov eax, 13
    lea ecx, [2]
    mov ebx, offset list
    int 0x82
    ud2
list: .long 17, 0, 0,0,0,0,0,0
      .long 29, 0, 0, 0,0,0,0,0`;
    const kernel = sandbox.file('kernel', guestKernel(source));
    const map = sandbox.file('System.map', '00100000 T start\n00101000 T end\n');
    const crash = await domu(['run', kernel, '--symbols', map, '--trace', file]);
    expect(crash.code).toBe(3);
    const tracks = await openInDevTools(readFileSync(file, 'utf8'));
    const vcpu = track(tracks, /^d1/, 'vCPU 0');
    expectNested(vcpu);
    expect(vcpu.find(({ name }) => name === 'xen_version version')?.parent?.name).toBe('multicall');
    const events: { name: string; args: Record<string, unknown> }[] = JSON.parse(
      readFileSync(file, 'utf8'),
    ).traceEvents;
    expect(events.find(({ name }) => name === '#UD invalid opcode')?.args.from).toMatch(
      /^start\+0x[0-9a-f]+ \(0x0010/,
    );
  });

  test('shows sleep, also when it is interrupted', async () => {
    const source = `
    mov esi, offset text
    call print
    mov eax, 29
    mov ebx, 3
    mov ecx, offset poll
    int 0x82
poll: .long 0, 0, 0, 0
text: .asciz "asleep"`;
    const run = await domu(['run', sandbox.file('sleepy', guestKernel(source)), '--trace', file], {
      drive: (terminal) => {
        terminal.onOutput = () => setTimeout(() => terminal.interrupt(), 20);
      },
    });
    expect(run.code).toBe(130);
    const vcpu = track(await openInDevTools(readFileSync(file, 'utf8')), /^d1 sleepy/, 'vCPU 0');
    expectNested(vcpu);
    expect(vcpu.filter(({ depth }) => depth === 0).map(({ name }) => name)).toEqual([
      'waiting for the processor',
      'running',
      'blocked',
    ]);
    expect(vcpu.find(({ name }) => name === 'sched_op poll')?.parent?.name).toBe('running');
  });

  test('a file that cannot be written is refused; one that is full ends as valid JSON, with a word to the user', async () => {
    expect(await domu(['run', hello, '--trace', '/no/dir/trace'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^domu: --trace: .* cannot be written/),
    });
    const machine = new Machine({ memoryMiB: 4, clock: new VirtualClock() });
    const told: string[] = [];
    const tracing = new Tracing({
      machine,
      symbolsOf: () => null,
      tell: (text) => told.push(text),
      limit: 1000,
    });
    tracing.start(openSync(file, 'w'));
    const { observer } = machine;
    for (let i = 0; i < 10_000; i++) {
      observer?.hostWorkBegins();
      observer?.hostWorkEnds();
    }
    expect([machine.observer, told]).toEqual([null, ['the trace ends here: it has more than 1000 bytes']]);
    tracing.stop();
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8'));
    expect(traceEvents.length).toBeGreaterThan(1000);
    const fd = openSync(file, 'w');
    closeSync(fd);
    tracing.stop();
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});

describe("a trace of GRUB's boot", () => {
  const disk = sandbox.path('disk.img');
  let fixture: { kernel?: string; helloText?: string; missing?: string } = {};
  beforeAll(() => {
    fixture = JSON.parse(execFileSync(process.execPath, [FIXTURE_SCRIPT, disk], { encoding: 'utf8' }));
  }, FETCH_TIMEOUT_MS);

  test("is valid, named and nested in the parser of Chrome's Performance panel", async ({ skip }) => {
    const { kernel, helloText, missing } = fixture;
    if (kernel === undefined || helloText === undefined) return skip(missing);
    const script = [
      '--expect',
      'grub>',
      '--type',
      'cat (xen/xvda,msdos1)/hello.txt\\n',
      '--expect',
      helloText,
    ];
    const args = ['--disk', `${disk},raw,xvda,r`, '--clock', 'virtual', '--timeout', '60', '--trace', file];
    expect(await domu(['run', kernel, ...args, ...script])).toMatchObject({ code: 0, stderr: '' });
    const tracks = await openInDevTools(readFileSync(file, 'utf8'));
    for (const { slices, process, thread } of tracks) {
      expect([process, thread]).not.toContain('');
      expectNested(slices);
    }
    const vcpu = track(tracks, /^d1 grub-i386-xen$/, 'vCPU 0');
    const names = new Set(vcpu.map(({ name }) => name));
    for (const name of [
      'grant_table_op setup_table',
      'update_va_mapping',
      'event_channel_op send',
      'sched_op yield',
    ])
      expect(names).toContain(name);
    for (const { name, parent } of vcpu) if (name.includes('_op ')) expect(parent?.name).toBe('running');
    const reads = track(tracks, /host/, 'd1 xvda');
    expect(reads.filter(({ name }) => name === 'read').length).toBeGreaterThan(10);
  });
});
