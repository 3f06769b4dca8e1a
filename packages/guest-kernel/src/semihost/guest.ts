/** The platform under a small kernel: what the first instructions of every guest set up, and no more. */
import { openConsole, PvConsole } from '@domu/console';
import type { GuestEvents } from '@domu/event-channel/guest';
import type { GuestGrants, KernelPages } from '@domu/grant-table/guest';
import {
  __HYPERVISOR_sched_op,
  type GuestPort,
  hypercallOn,
  type LinearAddr,
  SCHEDOP_shutdown,
  type SemihostKernel,
  SHUTDOWN_poweroff,
  VIRQ_TIMER,
} from '@domu/xen-abi';
import type { XenStoreClient } from '@domu/xenstore/client';
import { ENTRY_BOOT, ENTRY_EVENT, ENTRY_WOKEN } from '../boot/layout.ts';
import { type StartOfDay, startOfDay } from '../boot/start-of-day.ts';
import { openPlatform, type Platform } from '../drivers/platform.ts';
import { frameVa, vaFrame } from '../mm/ram.ts';
import { Processor } from '../task/processor.ts';
import { Clock } from '../time/clock.ts';
import { type KernelTimer, Timers } from '../time/timers.ts';

const PAGE_FAULT = 14;
const EXCEPTIONS_WITH_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, PAGE_FAULT, 17]);

/** Everything that a PV frontend asks for, by the names that frontends give it, and what a kernel is told at its start. */
export class SemihostedGuest {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly grants: GuestGrants;
  /** Pages of the guest's own memory, mapped. */
  readonly pages: KernelPages;
  readonly store: XenStoreClient;
  readonly console: PvConsole;
  readonly commandLine: string;
  /** The module that was loaded with the kernel. */
  readonly ramdisk: Uint8Array | undefined;
  /** Linear address of struct shared_info. */
  readonly sharedInfo: LinearAddr;
  /** A page for arguments of hypercalls, used during calls only. */
  readonly scratch: LinearAddr;
  readonly #clock: Clock;
  readonly #timers: Timers = new Timers();
  readonly #processor: Processor;
  readonly #start: StartOfDay;

  /** @param startInfo linear address of struct start_info. Errors: throws when the platform is not one of this kind */
  constructor(port: GuestPort, startInfo: number) {
    const start = startOfDay(port, startInfo);
    const platform: Platform | null = openPlatform(port, start);
    const console = openConsole({ guest: port, events: start.events }, start.console);
    const scratch = start.frames.alloc();
    if (platform === null || !(console instanceof PvConsole) || scratch < 0)
      throw new Error('the domain has no usable store, console or memory');
    this.#start = start;
    this.guest = port;
    this.events = start.events;
    this.grants = platform.grants;
    this.pages = platform.pages;
    this.store = platform.store;
    this.console = console;
    this.commandLine = start.commandLine;
    this.ramdisk = start.initramfs;
    this.sharedInfo = start.sharedInfo;
    this.scratch = frameVa(scratch) as LinearAddr;
    this.#clock = new Clock(start.ram, start.sharedInfo);
    this.#processor = new Processor(start.ram);
    this.events.bindVirq(VIRQ_TIMER, 0, () => {});
  }

  /** Nanoseconds of Xen's system time; it stands still while TypeScript runs. */
  get nowNs(): number {
    return Number(this.#clock.now());
  }

  /** Calls `run` once, `delayNs` nanoseconds from now or later. @returns what takes it back */
  after(delayNs: number, run: () => void): KernelTimer {
    return this.#timers.set(this.#clock.now() + BigInt(Math.max(0, Math.ceil(delayNs))), run);
  }

  /** Writes text to the console, waiting for the host to take it if need be. */
  print(text: string): void {
    this.console.writeAll(new TextEncoder().encode(text));
  }

  /** Makes a hypercall on a struct, which is copied to guest memory and back. @returns its result (negative: -XEN_E*) */
  call(nr: number, command: number, argument: DataView, count: number = 1): number {
    return hypercallOn(this.guest, nr, argument, { command, count, scratch: this.scratch });
  }

  /** Machine frame numbers do not show in translated paging: frames are named by the guest's own count. */
  frameOf(va: number): number {
    return vaFrame(va);
  }

  /** Ends the domain. @param reason SHUTDOWN_* */
  shutdown(reason: number = SHUTDOWN_poweroff): void {
    const argument = new DataView(new ArrayBuffer(4));
    argument.setUint32(0, reason, true);
    this.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, argument, 0);
  }

  /** An entry of the image's stubs. @internal */
  enter(index: number): void {
    this.#clock.moveOn();
    if (index === ENTRY_EVENT) this.events.upcall(0);
    else if (index !== ENTRY_WOKEN && index !== ENTRY_BOOT) this.#exception(index);
    this.#sleep();
  }

  #sleep(): void {
    this.#timers.runDue(this.#clock.now());
    const next = this.#timers.next();
    // A deadline in the past would be no timer at all.
    if (next !== null) this.#clock.wakeAt(next > this.#clock.now() ? next : this.#clock.now() + 1n);
    this.#processor.idle();
  }

  #exception(vector: number): never {
    const { ram } = this.#start;
    const at = this.guest.regs.esp + (EXCEPTIONS_WITH_CODE.has(vector) ? 4 : 0);
    throw new Error(`exception ${vector} in the kernel at ${ram.read32(at).toString(16)}`);
  }
}

/**
 * A guest kernel out of one function. Build a domain from `guestKernelImage()` and give it this as its `semihost`. `main` is
 * called once at the domain's start, and returns; from then on handlers of events and timers run, and between them the
 * domain sleeps.
 * @returns the kernel of one domain; make another for another domain, or after a restart
 * Errors: what `main` and handlers throw is thrown to whoever runs the machine: a bug of that kernel's
 */
export function semihostedKernel(main: (guest: SemihostedGuest) => void): SemihostKernel {
  let guest: SemihostedGuest | null = null;
  return (port, index) => {
    if (index === ENTRY_BOOT) {
      guest = new SemihostedGuest(port, port.regs.esi);
      main(guest);
    }
    guest?.enter(index);
  };
}
