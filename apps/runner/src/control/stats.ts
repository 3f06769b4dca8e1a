import type { RunningGuest, XenHost } from '../run/xen-host.ts';

const SECTOR_BYTES = 512;
const RUNSTATES = ['running', 'runnable', 'blocked', 'offline'] as const;

/** Counts since the machine or its guest began; times in nanoseconds of the machine's clock. */
export interface MachineStats {
  readonly ns: number;
  readonly virtualClock: boolean;
  readonly instructions: number;
  readonly contextSwitches: number;
  readonly domains: readonly DomainStats[];
}

export interface DomainStats {
  readonly domid: number;
  readonly name: string;
  readonly state: string;
  readonly memoryMiB: number;
  readonly vcpus: readonly VcpuStats[];
  readonly disks: readonly DiskStats[];
  readonly vifs: readonly VifStats[];
}

export interface VcpuStats {
  readonly id: number;
  readonly state: (typeof RUNSTATES)[number];
  readonly ranNs: number;
  readonly waitedNs: number;
  readonly exits: number;
  readonly hypercalls: number;
}

export interface DiskStats {
  readonly vdev: string;
  readonly requests: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface VifStats {
  readonly name: string;
  /** From the guest. */
  readonly sentBytes: number;
  readonly sentPackets: number;
  /** To the guest. */
  readonly receivedBytes: number;
  readonly receivedPackets: number;
}

/** What `domu top` shows, without changing anything of the machine. */
export function machineStats({ machine, guests }: XenHost): MachineStats {
  const ns = machine.clock.nowNs();
  return {
    ns,
    virtualClock: machine.clock.virtual,
    instructions: machine.cpu.retired,
    contextSwitches: machine.counters.contextSwitches,
    domains: [...guests].map((guest) => domainStats(guest, ns)),
  };
}

function domainStats({ domain, plan, disks, vifs }: RunningGuest, ns: number): DomainStats {
  return {
    domid: domain.id,
    name: domain.name,
    state: domain.state.state,
    memoryMiB: plan.config.memoryMiB.value,
    vcpus: domain.vcpus.map(({ id, runstate, exits, hypercalls }) => {
      const inState = (state: number): number =>
        runstate.timeNs[state] + (runstate.state === state ? Math.max(0, ns - runstate.entryNs) : 0);
      const state = RUNSTATES[runstate.state];
      return { id, state, ranNs: inState(0), waitedNs: inState(1), exits, hypercalls };
    }),
    disks: [...disks.metrics()].map(({ vdev, counts }) => ({
      vdev,
      requests: counts.requests,
      readBytes: counts.readSectors * SECTOR_BYTES,
      writtenBytes: counts.writtenSectors * SECTOR_BYTES,
    })),
    vifs: [...vifs.metrics()].map(({ devid, counts }) => ({
      name: `vif${devid}`,
      sentBytes: counts.txBytes,
      sentPackets: counts.txPackets,
      receivedBytes: counts.rxBytes,
      receivedPackets: counts.rxPackets,
    })),
  };
}
