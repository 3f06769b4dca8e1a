import type { PortDelivery } from './delivery.ts';

/** Where a domain's event bits live, and whom to tell. The hypervisor implements it. */
export interface TwoLevelHost {
  /** Machine memory by bytes, from machine address 0. */
  readonly u8: Uint8Array;
  /** The same memory by 32-bit words. */
  readonly u32: Uint32Array;
  /** @returns the machine address of the domain's shared_info */
  sharedInfo(): number;
  /** @returns the machine address of `vcpu`'s vcpu_info, wherever VCPUOP_register_vcpu_info has put it */
  vcpuInfo(vcpu: number): number;
  /** `vcpu`'s upcall_pending went from 0 to 1: wake it if it is blocked. */
  kick(vcpu: number): void;
  /** `port` became pending: wake the vcpus that poll for it. The port's mask has no say in this. */
  wakePollers(port: number): void;
}

const BITS_PER_WORD = 32;
const NR_PORTS_2L: number = BITS_PER_WORD * BITS_PER_WORD;
const EVTCHN_PENDING = 0x800; // struct shared_info, i386
const EVTCHN_MASK = 0x880;
const UPCALL_PENDING = 0; // struct vcpu_info
const PENDING_SEL = 4;

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

  /** Sets the port's selector bit, and upcall_pending if the bit was clear: a set bit means an upcall is already due. */
  private select(port: number, vcpu: number): void {
    const info = this.host.vcpuInfo(vcpu);
    if (this.testAndSet(info + PENDING_SEL, port >>> 5)) return;
    const { u8 } = this.host;
    if (u8[info + UPCALL_PENDING] !== 0) return;
    u8[info + UPCALL_PENDING] = 1;
    this.host.kick(vcpu);
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
