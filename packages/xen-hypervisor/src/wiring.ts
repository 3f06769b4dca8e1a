import {
  EventChannels,
  type FifoHost,
  TwoLevelDelivery,
  type TwoLevelHost,
} from '@domu/event-channel/hypervisor';
import { GrantTable } from '@domu/grant-table/hypervisor';
import type { Domain } from './domain.ts';
import type { Machine } from './machine.ts';

const DEFAULT_MAX_EVENT_CHANNEL = 1023;
const DEFAULT_MAX_GRANT_FRAMES = 32;

/** Gives a new domain its event channels, delivered through its shared_info until it asks for FIFO queues. */
export function createEventChannels(domain: Domain): EventChannels {
  const { machine } = domain;
  const host: TwoLevelHost & FifoHost = {
    u8: machine.memory.u8,
    u32: machine.memory.u32,
    sharedInfo: () => domain.sharedInfo * 4096,
    vcpuInfo: (vcpu) => domain.vcpus[vcpu].infoMaddr,
    kick: (vcpu) => machine.scheduler.wake(domain.vcpus[vcpu]),
    wakePollers: (port) => {
      machine.observer?.eventPending(domain, port);
      for (const vcpu of domain.vcpus) if (vcpu.pollPorts?.includes(port)) machine.scheduler.wake(vcpu);
    },
    holdFrame: (gfn) => {
      const mfn = domain.paging.toMfn(gfn);
      return domain.paging.getWritableFrame(mfn) || mfn;
    },
    releaseFrame: (mfn) => domain.paging.putWritableFrame(mfn),
  };
  return new EventChannels({
    domid: domain.id,
    nrVcpus: domain.vcpus.length,
    maxPort: domain.options.maxEventChannels ?? DEFAULT_MAX_EVENT_CHANNEL,
    delivery: new TwoLevelDelivery(host),
    fifo: host,
    peers: (domid) => machine.channelsOf(domid),
  });
}

/** Gives a domain (the host domain too) its grant table. */
export function createGrantTable(machine: Machine, domid: number, maxFrames?: number): GrantTable {
  return new GrantTable({
    domid,
    maxFrames: maxFrames ?? DEFAULT_MAX_GRANT_FRAMES,
    frames: machine.grantFrames,
    peers: (peer) => machine.grantsOf(peer),
  });
}
