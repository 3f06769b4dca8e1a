/** The first instructions' worth of kernel: from what the domain builder left to memory, traps and events of our own. */
import { EventPorts, GuestEvents, TwoLevelGuest } from '@domu/event-channel/guest';
import {
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_trap_table,
  FLAT_KERNEL_CS,
  type GuestPort,
  type LinearAddr,
  SIF_MOD_START_PFN,
  StartInfo,
  TI_IF,
  TrapInfo,
} from '@domu/xen-abi';
import { Frames } from '../mm/frames.ts';
import { Mmu } from '../mm/mmu.ts';
import { frameVa, Ram, vaFrame } from '../mm/ram.ts';
import {
  ENTRY_EVENT,
  ENTRY_FAILSAFE,
  ENTRY_SYSCALL,
  EVENT_SCRATCH,
  GDT_PAGE,
  PAGE_OFFSET,
  PAGE_SIZE,
  SCRATCH,
  USER_CS,
  USER_DS,
} from './layout.ts';
import { entryStub } from './stubs.ts';

/** Exceptions of the processor that there are. */
const NR_EXCEPTIONS = 20;
const VECTOR_BP = 3;
const VECTOR_OF = 4;
const DPL3 = 3;
/** Flat segments of 4 GiB with DPL 3. */
const USER_CODE_HIGH = 0x00cf_fb00;
const USER_DATA_HIGH = 0x00cf_f300;
const FLAT_LOW = 0x0000_ffff;
const GDT_ENTRIES = 512;
/** Frames of the grant table stand behind the domain's memory. */
const GRANT_FRAMES = 4;
/** The builder leaves at least this many free pages mapped behind the boot stack, up to a multiple of 4 MiB. */
const SLACK_PAGES = 128;
const PAGES_PER_TABLE = 1024;
/** As much memory as fits between PAGE_OFFSET and the hypervisor's window. */
const MAX_FRAMES = (0xfc00_0000 - PAGE_OFFSET) / PAGE_SIZE - GRANT_FRAMES;

/** What the kernel is told and given at its start. */
export interface StartOfDay {
  readonly ram: Ram;
  readonly frames: Frames;
  readonly mmu: Mmu;
  readonly events: GuestEvents;
  /** Linear address of struct shared_info. */
  readonly sharedInfo: LinearAddr;
  readonly commandLine: string;
  /** The module that was loaded with the kernel, copied. */
  readonly initramfs: Uint8Array | undefined;
  readonly console: { readonly page: LinearAddr; readonly port: number };
  readonly store: { readonly page: LinearAddr; readonly port: number };
  /** First frame of the grant table. */
  readonly grantFrames: number;
}

/** @param startInfo linear address of struct start_info */
export function startOfDay(port: GuestPort, startInfo: number): StartOfDay {
  const ram = new Ram(port);
  const page = new Uint8Array(PAGE_SIZE);
  ram.read(startInfo, page);
  const view = new DataView(page.buffer);
  const nrPages = Math.min(StartInfo.nr_pages.get(view, 0), MAX_FRAMES);
  const root = vaFrame(StartInfo.pt_base.get(view, 0));
  const firstFree = root + StartInfo.nr_pt_frames.get(view, 0) + 1;
  const frames = new Frames(nrPages);
  const mapped = Math.ceil((firstFree + SLACK_PAGES) / PAGES_PER_TABLE) * PAGES_PER_TABLE;
  frames.donate(firstFree, Math.min(mapped, nrPages));
  const mmu = new Mmu(ram, frames, root);
  mmu.mapAll(nrPages + GRANT_FRAMES);
  if (mapped < nrPages) frames.donate(mapped, nrPages);
  setDescriptors(ram);
  setTraps(ram);
  const sharedInfo = (PAGE_OFFSET + StartInfo.shared_info.get(view, 0)) as LinearAddr;
  const ports = new EventPorts(port, EVENT_SCRATCH);
  const pages = { sharedInfo, vcpuInfo: () => sharedInfo };
  const delivery = new TwoLevelGuest(port, ports, pages);
  const place = (pfn: number, channel: number) => ({ page: frameVa(pfn) as LinearAddr, port: channel });
  return {
    ...{ ram, frames, mmu, sharedInfo },
    events: new GuestEvents(port, { ports, delivery, pages }),
    commandLine: StartInfo.cmd_line.getText(view, 0),
    initramfs: takeModule(ram, frames, view),
    console: place(StartInfo.console.domU.mfn.get(view, 0), StartInfo.console.domU.evtchn.get(view, 0)),
    store: place(StartInfo.store_mfn.get(view, 0), StartInfo.store_evtchn.get(view, 0)),
    grantFrames: StartInfo.nr_pages.get(view, 0),
  };
}

/** Copies the module out of memory, which is free then. */
function takeModule(ram: Ram, frames: Frames, view: DataView): Uint8Array | undefined {
  const length = StartInfo.mod_len.get(view, 0);
  if (length === 0) return undefined;
  const start = StartInfo.mod_start.get(view, 0);
  const isFrame = (StartInfo.flags.get(view, 0) & SIF_MOD_START_PFN) !== 0;
  const va = isFrame ? frameVa(start) : start;
  const module = new Uint8Array(length);
  ram.read(va, module);
  frames.donate(vaFrame(va), vaFrame(va) + Math.floor(length / PAGE_SIZE));
  return module;
}

function setDescriptors(ram: Ram): void {
  for (const [selector, high] of [
    [USER_CS, USER_CODE_HIGH],
    [USER_DS, USER_DATA_HIGH],
  ]) {
    const at = GDT_PAGE + (selector & ~7);
    ram.write32(at, FLAT_LOW);
    ram.write32(at + 4, high);
  }
  ram.write32(SCRATCH, vaFrame(GDT_PAGE));
  must(ram.port.hypercall(__HYPERVISOR_set_gdt, SCRATCH, GDT_ENTRIES), 'set_gdt');
}

/** All gates mask events, so that nothing interrupts the stubs: events come in when user mode does. */
function setTraps(ram: Ram): void {
  const vectors = [...Array.from({ length: NR_EXCEPTIONS }, (_, vector) => vector), ENTRY_SYSCALL];
  const table = new Uint8Array(TrapInfo.size * (vectors.length + 1));
  const view = new DataView(table.buffer);
  for (const [i, vector] of vectors.entries()) {
    const at = i * TrapInfo.size;
    const open = vector === VECTOR_BP || vector === VECTOR_OF || vector === ENTRY_SYSCALL;
    TrapInfo.vector.set(view, at, vector);
    TrapInfo.flags.set(view, at, TI_IF | (open ? DPL3 : 0));
    TrapInfo.cs.set(view, at, FLAT_KERNEL_CS);
    TrapInfo.address.set(view, at, entryStub(vector));
  }
  ram.write(SCRATCH, table);
  const { port } = ram;
  must(port.hypercall(__HYPERVISOR_set_trap_table, SCRATCH), 'set_trap_table');
  const [event, failsafe] = [entryStub(ENTRY_EVENT), entryStub(ENTRY_FAILSAFE)];
  must(
    port.hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, event, FLAT_KERNEL_CS, failsafe),
    'set_callbacks',
  );
}

function must(rc: number, what: string): void {
  if (rc !== 0) throw new Error(`${what} failed: ${rc}`);
}
