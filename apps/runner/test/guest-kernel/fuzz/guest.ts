/** A machine whose processes make the calls that the host chooses, one by one. */
import { createGuestKernel, guestKernelImage } from '@domu/guest-kernel';
import { buildDomain, loadKernel, planDomain } from '@domu/toolstack';
import type { GuestPort } from '@domu/xen-abi';
import { type Domain, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { cpio } from '../user-program.ts';
import type { Call } from './calls.ts';
import { Random } from './random.ts';

const MEMORY_MIB = 24;
/** Index of the semihosting entry of `int $0x80`. */
const ENTRY_SYSCALL = 0x80;
/** Instructions at a time. */
const BUDGET = 200_000;
/** Entries that are remembered, for whoever looks for the reason of a failure. */
const REMEMBERED = 4096;
/** Time that a system call takes. On the virtual clock kernels need none, and whoever makes calls all the time would never be preempted. */
const CALL_NS = 1000;
/** A single entry may keep the host busy as long as this. */
const SLOW_MS = 10_000;

/** What was asked: who asks, and what came of the last call. `place` puts another user EIP into the frame. */
export interface Asking {
  readonly port: GuestPort;
  /** Result of the call before. */
  readonly result: number;
  /** Address of EIP, CS, EFLAGS, ESP, SS of the user on the kernel's stack. */
  readonly frame: number;
}

/** @returns the call to be made */
export type Answer = (asking: Asking) => Call;

/** Something that must not happen did. */
export class Harm extends Error {}

export interface GuestOptions {
  readonly seed: number;
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Who answers, by the number that the program asks with. */
  readonly answers: ReadonlyMap<number, Answer>;
  readonly engine?: 'interpreter' | 'jit';
}

export class FuzzGuest {
  readonly machine: Machine;
  readonly domain: Domain;
  /** The last calls, oldest first, with a mark where a process asked. */
  readonly history: Call[] = [];
  /** Entries by `int $0x80` so far. */
  calls = 0;
  /** Of all calls so far: two runs with the same seed have the same. */
  digest = 0;
  slowestMs = 0;
  slowest: Call = [];
  readonly #answers: ReadonlyMap<number, Answer>;

  constructor({ seed, files, answers, engine = 'interpreter' }: GuestOptions) {
    this.#answers = answers;
    const kernel = loadKernel(guestKernelImage());
    if (!kernel.ok) throw new Error(kernel.error);
    const ramdisk = cpio(files);
    const cmdline = Uint8Array.from('quiet', (c) => c.charCodeAt(0));
    const input = { kernel: kernel.value, ramdisk, cmdline, memoryMiB: MEMORY_MIB };
    const layout = planDomain(input);
    if (!layout.ok) throw new Error(layout.error.message);
    this.machine = new Machine({ memoryMiB: MEMORY_MIB + 8, clock: new VirtualClock(), engine });
    const pages = MEMORY_MIB * 256;
    this.domain = this.machine.createDomain({ maxPages: pages, mode: 'classic', translated: true });
    const built = buildDomain(this.domain, layout.value, input);
    if (!built.ok) throw new Error('the domain cannot be built');
    const random = new Random(seed ^ 0x5a5a);
    const guest = createGuestKernel({ random: (into) => into.fill(random.word()) });
    this.domain.semihost = (port, index) => {
      if (index === ENTRY_SYSCALL) this.#entry(port);
      const before = performance.now();
      guest(port, index);
      const took = performance.now() - before;
      if (took <= this.slowestMs) return;
      this.slowestMs = took;
      this.slowest = this.history.at(-1) ?? [];
    };
    this.domain.unpause();
  }

  /** @throws Harm when the kernel throws, ends, or is stuck */
  run(until: () => boolean): void {
    while (!until()) {
      const before = this.machine.clock.nowNs();
      try {
        const result = this.machine.run(BUDGET);
        if (result.state === 'idle' && result.untilNs === null) throw new Harm('nobody would ever run again');
      } catch (error) {
        if (error instanceof Harm) throw error;
        throw new Harm(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
      if (this.domain.crash !== null)
        throw new Harm(`the domain crashed: ${JSON.stringify(this.domain.crash)}`);
      if (this.domain.state.state !== 'running')
        throw new Harm(`the domain is ${JSON.stringify(this.domain.state)}`);
      if (this.machine.clock.nowNs() === before) throw new Harm('time stands still');
      if (this.slowestMs > SLOW_MS) throw new Harm(`one entry took ${Math.round(this.slowestMs)} ms`);
    }
  }

  #entry(port: GuestPort): void {
    const { regs } = port;
    const { clock } = this.machine;
    clock.skipTo(clock.nowNs() + CALL_NS);
    this.calls++;
    const answer = this.#answers.get(regs.eax);
    if (answer !== undefined) {
      const [number = 0, ebx = 0, ecx = 0, edx = 0, esi = 0, edi = 0, ebp = 0] = answer({
        port,
        result: regs.ebx | 0,
        frame: regs.esp,
      });
      regs.eax = number;
      regs.ebx = ebx;
      regs.ecx = ecx;
      regs.edx = edx;
      regs.esi = esi;
      regs.edi = edi;
      regs.ebp = ebp;
    }
    for (const word of [regs.eax, regs.ebx, regs.ecx]) this.digest = (Math.imul(this.digest, 31) + word) | 0;
    if (this.history.length >= 2 * REMEMBERED) this.history.splice(0, REMEMBERED);
    this.history.push([regs.eax, regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp]);
  }
}
