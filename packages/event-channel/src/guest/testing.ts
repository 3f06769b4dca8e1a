import {
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_unmask,
  type GuestFault,
  type GuestPort,
  type GuestRegisters,
  type LinearAddr,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { type FakeDomain, FIRST_FREE_PAGE, SHARED_INFO } from '../hypervisor/testing.ts';
import { GuestEvents } from './events.ts';
import { FifoGuest } from './fifo.ts';
import { EventPorts } from './ports.ts';
import { TwoLevelGuest } from './two-level.ts';

/** A guest kernel's door to a `FakeDomain`: memory is mapped one to one, event channel calls go to the domain's table. */
export class FakeGuest implements GuestPort {
  readonly regs: GuestRegisters = {} as GuestRegisters;
  readonly fault: GuestFault = { address: 0 as LinearAddr, errorCode: 0 };
  readonly domain: FakeDomain;
  readonly ports: EventPorts = new EventPorts(this, 0x7f00 as LinearAddr);
  readonly events: GuestEvents;
  private readonly view: DataView;
  private nextPage = FIRST_FREE_PAGE;

  constructor(domain: FakeDomain) {
    this.domain = domain;
    this.view = new DataView(domain.u8.buffer);
    const pages = {
      sharedInfo: SHARED_INFO as LinearAddr,
      vcpuInfo: (vcpu: number) => domain.vcpuInfo(vcpu) as LinearAddr,
    };
    const delivery = new TwoLevelGuest(this, this.ports, pages);
    this.events = new GuestEvents(this, { ports: this.ports, delivery, pages });
  }

  /** Switches to FIFO queues on `nrVcpus` vcpus. */
  startFifo(nrVcpus: number): FifoGuest {
    const page = () => {
      const gfn = this.nextPage++;
      return { va: (gfn * 4096) as LinearAddr, gfn };
    };
    const fifo = new FifoGuest(this, this.ports, page);
    for (let vcpu = 0; vcpu < nrVcpus; vcpu++) fifo.startVcpu(vcpu, page());
    this.events.useDelivery(fifo);
    return fifo;
  }

  read8(va: number): number {
    return this.view.getUint8(va);
  }

  read16(va: number): number {
    return this.view.getUint16(va, true);
  }

  read32(va: number): number {
    return va + 4 <= this.view.byteLength ? this.view.getUint32(va, true) : -1;
  }

  write8(va: number, value: number): boolean {
    this.view.setUint8(va, value);
    return true;
  }

  write16(va: number, value: number): boolean {
    this.view.setUint16(va, value, true);
    return true;
  }

  write32(va: number, value: number): boolean {
    this.view.setUint32(va, value, true);
    return true;
  }

  readBytes(va: number, into: Uint8Array): boolean {
    into.set(this.domain.u8.subarray(va, va + into.length));
    return true;
  }

  writeBytes(va: number, from: Uint8Array): boolean {
    this.domain.u8.set(from, va);
    return true;
  }

  compareExchange32(va: number, expected: number, value: number): number {
    const found = this.read32(va);
    if (found === expected) this.write32(va, value);
    return found;
  }

  hypercall(_nr: number, cmd = 0, at = 0): number {
    const { channels } = this.domain;
    const u16 = (offset: number): number => this.read16(at + offset);
    const u32 = (offset: number): number => this.read32(at + offset);
    const out = (offset: number, port: number): number => {
      if (port < 0) return port;
      this.write32(at + offset, port);
      return 0;
    };
    const domid = (id: number): number => (id === DOMID_SELF ? channels.domid : id);
    switch (cmd) {
      case EVTCHNOP_alloc_unbound:
        return out(4, channels.allocUnbound(domid(u16(2))));
      case EVTCHNOP_bind_interdomain:
        return out(8, channels.bindInterdomain(domid(u16(0)), u32(4)));
      case EVTCHNOP_bind_virq:
        return out(8, channels.bindVirq(u32(0), u32(4)));
      case EVTCHNOP_bind_ipi:
        return out(4, channels.bindIpi(u32(0)));
      case EVTCHNOP_close:
        return channels.close(u32(0));
      case EVTCHNOP_send:
        return channels.send(u32(0));
      case EVTCHNOP_unmask:
        return channels.unmask(u32(0));
      case EVTCHNOP_reset:
        return channels.reset();
      case EVTCHNOP_init_control:
        return channels.initControl(u32(12), { gfn: u32(0), offset: u32(8) });
      case EVTCHNOP_expand_array:
        return channels.expandArray(u32(0));
      case EVTCHNOP_set_priority:
        return channels.setPriority(u32(0), u32(4));
      default:
        return -XEN_ENOSYS;
    }
  }
}
