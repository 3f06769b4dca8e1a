import { XEN_ENOSYS } from '@domu/xen-abi';
import { type EventHost, markEventsPending, type PortDelivery } from './delivery.ts';

/** Where a domain's event bits live, and whom to tell. The hypervisor implements it. */
export interface TwoLevelHost extends EventHost {
  /** @returns the machine address of the domain's shared_info */
  sharedInfo(): number;
}

const BITS_PER_WORD = 32;
const NR_PORTS_2L: number = BITS_PER_WORD * BITS_PER_WORD;
const EVTCHN_PENDING = 0x800; // struct shared_info, i386
const EVTCHN_MASK = 0x880;
const PENDING_SEL = 4; // struct vcpu_info

/**
 * The 2-level event ABI: a bitmap of 1024 pending ports in shared_info, and one selector bit per 32 ports in vcpu_info.
 * Every word it touches is [XEN,GST]: nothing read here is trusted beyond the bit it stands for.
 * Source: xen/common/event_2l.c @ RELEASE-4.18.0
 */
export class TwoLevelDelivery implements PortDelivery {
  readonly nrPorts: number = NR_PORTS_2L;
  private readonly host: TwoLevelHost;

  constructor(host: TwoLevelHost) {
    this.host = host;
  }

  bound(): void {}

  setPending(port: number, vcpu: number): void {
    if (this.testAndSet(this.host.sharedInfo() + EVTCHN_PENDING, port)) return;
    if (!this.isMasked(port)) this.select(port, vcpu);
    this.host.wakePollers(port);
  }

  clearPending(port: number): void {
    this.testAndClear(this.host.sharedInfo() + EVTCHN_PENDING, port);
  }

  unmask(port: number, vcpu: number): void {
    const wasMasked = this.testAndClear(this.host.sharedInfo() + EVTCHN_MASK, port);
    if (wasMasked && this.isPending(port)) this.select(port, vcpu);
  }

  isPending(port: number): boolean {
    return this.test(this.host.sharedInfo() + EVTCHN_PENDING, port);
  }

  isMasked(port: number): boolean {
    return this.test(this.host.sharedInfo() + EVTCHN_MASK, port);
  }

  isBusy(): boolean {
    return false;
  }

  setPriority(): number {
    return -XEN_ENOSYS;
  }

  /** Sets the port's selector bit, and upcall_pending if the bit was clear: a set bit means an upcall is already due. */
  private select(port: number, vcpu: number): void {
    const info = this.host.vcpuInfo(vcpu);
    if (!this.testAndSet(info + PENDING_SEL, port >>> 5)) markEventsPending(this.host, vcpu);
  }

  private test(bitmap: number, bit: number): boolean {
    return ((this.host.u32[wordOf(bitmap, bit)] >>> (bit & 31)) & 1) !== 0;
  }

  private testAndSet(bitmap: number, bit: number): boolean {
    const was = this.test(bitmap, bit);
    this.host.u32[wordOf(bitmap, bit)] |= 1 << (bit & 31);
    return was;
  }

  private testAndClear(bitmap: number, bit: number): boolean {
    const was = this.test(bitmap, bit);
    this.host.u32[wordOf(bitmap, bit)] &= ~(1 << (bit & 31));
    return was;
  }
}

function wordOf(bitmap: number, bit: number): number {
  return (bitmap >>> 2) + (bit >>> 5);
}
