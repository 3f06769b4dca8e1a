import { LEGACY_LAYOUT, legacyKernel } from '@domu/testkit';
import { SHUTDOWN_poweroff, XENFEAT_auto_translated_physmap } from '@domu/xen-abi';
import { type Clock, type Domain, HostClock, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { describe, expect, test } from 'vitest';
import { type BuiltDomain, buildDomain, loadKernel, pagingModeOf, planDomain } from '../../src/index.ts';
import { ConsoleRing } from './console-ring.ts';
import { DIRECT, type Mode, PLACES, pfn, TRANSLATED, VARS } from './places.ts';
import { conformanceProgram, type Row } from './program.ts';
import { CPU_ROWS } from './rows-cpu.ts';
import { ANSWER, CONSOLE_IO_TEXT, GRANTED, IO_ROWS, PEER, TYPED } from './rows-io.ts';
import { MEMORY_ROWS } from './rows-memory.ts';
import { TIME_ROUTINES, timeRows } from './rows-time.ts';

const MEMORY_MIB = 8;
const NR_PAGES = MEMORY_MIB * 256;
/** Far more than it takes: the guest itself waits for some ten milliseconds. */
const MAX_MS = 20_000;

const rowsOf = (mode: Mode): Row[] => [...CPU_ROWS, ...MEMORY_ROWS, ...timeRows(mode), ...IO_ROWS];

interface Guest {
  readonly domain: Domain;
  readonly built: BuiltDomain;
}

function build(machine: Machine, mode: Mode, image: Uint8Array): Guest {
  const kernel = loadKernel(image, mode.translated ? 1 << XENFEAT_auto_translated_physmap : 0);
  if (!kernel.ok) throw new Error(kernel.error);
  const input = { kernel: kernel.value, ramdisk: null, cmdline: new Uint8Array(0), memoryMiB: MEMORY_MIB };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const { translated } = kernel.value;
  const domain = machine.createDomain({
    maxPages: NR_PAGES,
    vcpus: 2,
    mode: pagingModeOf(kernel.value),
    translated,
  });
  const built = buildDomain(domain, layout.value, input);
  if (!built.ok) throw new Error(built.error);
  // As many pages as it was built with: struct shared_info of a translated domain stands in the place of one.
  domain.maxPages = domain.totPages;
  return { domain, built: built.value };
}

/** Machine frame of a page of a guest's image. */
function frameOf({ domain }: Guest, va: number): number {
  return domain.paging.linearToMfn(domain.vcpus[0].rootMfn, va);
}

/** Name of the check that the guest was at. */
function checkUnderWay({ domain }: Guest): string {
  const { mem } = domain.vcpus[0];
  const bytes = mem.read(mem.readU32(VARS.check), 80) ?? new Uint8Array(1);
  return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
}

/** What the second domain lends to the first. It never runs. */
function lend(peer: Guest, to: Domain): void {
  const { domain } = peer;
  for (const [gref, va] of [
    [PEER.gref, PLACES.A],
    [PEER.readonlyGref, PLACES.B],
  ]) {
    const mfn = frameOf(peer, va);
    domain.machine.memory.view.setUint32(mfn * 4096, GRANTED, true);
    const readonly = gref === PEER.readonlyGref;
    domain.grants.preset(gref, { domid: to.id, gfn: domain.options.translated ? pfn(va) : mfn, readonly });
  }
  expect(domain.evtchn.allocUnbound(to.id)).toBe(PEER.port);
}

/** Runs the guest to its end. @returns the lines that it wrote */
function run(mode: Mode, options: { engine: 'interpreter' | 'jit'; clock: Clock }): void {
  const rows = rowsOf(mode);
  const nrPages = mode.translated ? NR_PAGES - 1 : NR_PAGES;
  const { bytes } = conformanceProgram(rows, mode, {
    routines: TIME_ROUTINES,
    symbols: { NR_PAGES: nrPages },
  });
  const image = legacyKernel({
    code: bytes,
    pae: mode.paging === 'pae',
    features: 'auto_translated_physmap|writable_page_tables',
  });
  const machine = new Machine({ memoryMiB: 2 * MEMORY_MIB + 4, ...options });
  const guest = build(machine, mode, image);
  const peer = build(machine, mode, image);
  expect([guest.domain.id, peer.domain.id]).toEqual([1, PEER.domid]);
  lend(peer, guest.domain);

  const { domain } = guest;
  const ring = new ConsoleRing(machine.memory.frame(guest.built.console.mfn));
  ring.type(TYPED);
  const port = machine.host.bindInterdomain(domain.id, guest.built.console.port, () => ring.take());
  expect(port).toBeTypeOf('object');
  const consoleIo: string[] = [];
  domain.onConsoleLine = (line) => consoleIo.push(line);
  domain.unpause();
  const start = performance.now();
  while (domain.state.state === 'running' && performance.now() - start < MAX_MS) machine.run(100_000);
  machine.run(1);
  ring.take();

  const stuck = checkUnderWay(guest);
  expect(ring.lines, domain.crash?.reason ?? `at the check "${stuck}"`).toEqual([
    ...rows.map(({ name }) => `row ${name} ok`),
    'verdict pass',
  ]);
  expect(domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
  expect(consoleIo).toEqual([CONSOLE_IO_TEXT]);
  const word = (va: number): number => machine.memory.view.getUint32(frameOf(peer, va) * 4096, true);
  expect([word(PLACES.A), word(PLACES.B)]).toEqual([ANSWER, GRANTED]);
  expect(peer.domain.evtchn.isPending(PEER.port)).toBe(true);
  for (const one of [guest, peer]) machine.destroyDomain(one.domain);
  expect(machine.frames.totPages(1) + machine.frames.totPages(PEER.domid)).toBe(0);
}

const clocks = {
  virtual: () => new VirtualClock(),
  host: () => new HostClock(() => performance.now() * 1e6, Date.now()),
};

describe.each([DIRECT, TRANSLATED])('a guest with $name', (mode) => {
  test.each([
    ['interpreter', 'virtual'],
    ['interpreter', 'host'],
    ['jit', 'virtual'],
    ['jit', 'host'],
  ] as const)('finds every part of the platform as Xen has it, engine %s, %s clock', (engine, clock) => {
    run(mode, { engine, clock: clocks[clock]() });
  });
});

test('the image leaves room for its data', () => {
  expect(PLACES.XADD).toBeLessThan(LEGACY_LAYOUT.end);
});
