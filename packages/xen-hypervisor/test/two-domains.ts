import { twoDomains } from '@domu/testkit';
import { StartInfo } from '@domu/xen-abi';
import { Machine, type MachineOptions } from '@domu/xen-hypervisor';
import { CODE, TestGuest } from '../src/testing.ts';

const MEMORY_MIB = 8;
const START_INFO = 0xe000;
const MFN_LIST = 0xf000;

/** A machine on which two domains share memory and signal each other; see `twoDomains` of testkit. */
export class TwoDomainMachine {
  readonly machine: Machine;
  readonly server: TestGuest;
  readonly client: TestGuest;

  constructor(
    options: Pick<MachineOptions, 'clock'>,
    work: { readonly rounds: number; readonly fifoClient: boolean },
  ) {
    this.machine = new Machine({ memoryMiB: MEMORY_MIB, ...options });
    this.server = new TestGuest({ machine: this.machine });
    this.client = new TestGuest({ machine: this.machine });
    const programs = twoDomains({
      origin: CODE,
      serverDomid: this.server.domain.id,
      clientDomid: this.client.domain.id,
      serverPort: 1,
      ...work,
    });
    start(this.server, programs.server.bytes);
    start(this.client, programs.client.bytes);
  }

  /** Runs until both domains have stopped, or for `slices` million instructions. @returns their shutdown codes, -1: still running */
  run(slices: number): number[] {
    const codes = (): number[] =>
      [this.server, this.client].map(({ domain }) =>
        domain.state.state === 'shutdown' ? domain.state.code : -1,
      );
    for (let i = 0; i < slices && codes().includes(-1); i++) this.machine.run(1_000_000);
    return codes();
  }
}

function start(guest: TestGuest, program: Uint8Array): void {
  guest.load(program);
  guest.start();
  StartInfo.shared_info.set(
    guest.machine.memory.view,
    guest.p2m[START_INFO >>> 12] * 4096,
    guest.domain.sharedInfo * 4096,
  );
  guest.write32(START_INFO + StartInfo.mfn_list.offset, MFN_LIST);
  for (const [pfn, mfn] of guest.p2m.entries()) guest.write32(MFN_LIST + 4 * pfn, mfn);
  guest.machine.withRegisters(guest.vcpu, (cpu) => {
    cpu.regs[6] = START_INFO;
  });
}
