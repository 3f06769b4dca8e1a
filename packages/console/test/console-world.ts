import { type EventPages, EventPorts, GuestEvents, TwoLevelGuest } from '@domu/event-channel/guest';
import { FakeGuestPort } from '@domu/testkit';
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  EVTCHNOP_send,
  type LinearAddr,
  XenconsInterface as Page,
  SharedInfo,
  VcpuInfo,
  XENCONS_IN_SIZE,
  XENCONS_OUT_SIZE,
} from '@domu/xen-abi';

const SHARED_INFO = 0x1000 as LinearAddr;
const VCPU_INFO = 0x2000 as LinearAddr;
const SCRATCH = 0x3000 as LinearAddr;
export const PAGE: LinearAddr = 0x4000 as LinearAddr;
export const PORT = 2;

/** A kernel with one console, and the daemon's end of it as the test moves it. */
export class ConsoleWorld {
  readonly guest: FakeGuestPort;
  readonly events: GuestEvents;
  readonly view: DataView;
  /** Events that the guest raised. */
  nrSent = 0;
  /** Called when the guest gives the processor away. */
  onYield: () => void = () => {};

  constructor() {
    const memory = new Uint8Array(8 * 4096);
    this.view = new DataView(memory.buffer);
    this.guest = new FakeGuestPort(memory, (nr, command) => {
      if (nr === __HYPERVISOR_event_channel_op && command === EVTCHNOP_send) this.nrSent++;
      if (nr === __HYPERVISOR_sched_op) this.onYield();
      return 0;
    });
    const ports = new EventPorts(this.guest, SCRATCH);
    const pages: EventPages = { sharedInfo: SHARED_INFO, vcpuInfo: () => VCPU_INFO };
    const delivery = new TwoLevelGuest(this.guest, ports, pages);
    this.events = new GuestEvents(this.guest, { ports, delivery, pages });
  }

  /** The daemon raises the event of the console at `port`. */
  kick(port: number = PORT): void {
    SharedInfo.evtchn_pending.set(this.view, SHARED_INFO, 0, 1 << port);
    VcpuInfo.evtchn_pending_sel.set(this.view, VCPU_INFO, 1);
    VcpuInfo.evtchn_upcall_pending.set(this.view, VCPU_INFO, 1);
    this.events.upcall(0);
  }

  /** The daemon takes output, at most `limit` bytes. */
  takeOutput(limit: number = XENCONS_OUT_SIZE): string {
    const cons = Page.out_cons.get(this.view, PAGE);
    const count = Math.min(limit, (Page.out_prod.get(this.view, PAGE) - cons) >>> 0);
    let text = '';
    for (let i = 0; i < count; i++) {
      text += String.fromCharCode(
        this.view.getUint8(PAGE + Page.out.offset + ((cons + i) & (XENCONS_OUT_SIZE - 1))),
      );
    }
    Page.out_cons.set(this.view, PAGE, cons + count);
    return text;
  }

  /** The daemon types. @returns how many characters there was room for */
  type(text: string): number {
    const prod = Page.in_prod.get(this.view, PAGE);
    const room = XENCONS_IN_SIZE - ((prod - Page.in_cons.get(this.view, PAGE)) >>> 0);
    const count = Math.min(room, text.length);
    for (let i = 0; i < count; i++) {
      this.view.setUint8(
        PAGE + Page.in.offset + ((prod + i) & (XENCONS_IN_SIZE - 1)),
        text.charCodeAt(i) & 0xff,
      );
    }
    Page.in_prod.set(this.view, PAGE, prod + count);
    return count;
  }
}

/** @returns one byte per character */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** @returns one character per byte */
export function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
