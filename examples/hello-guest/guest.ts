import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  EVTCHNOP_send,
  type GuestPort,
  XenconsInterface as Page,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SEMIHOST_LENGTH,
  SharedInfo,
  StartInfo,
  XENCONS_IN_SIZE,
  XENCONS_OUT_SIZE,
} from '@domu/xen-abi';

const PAGE_OFFSET = 0xc0000000; // where the image wants the domain's memory to be mapped
const SCRATCH = 0xc0004000; // memory of the image's own, for arguments of hypercalls

/** A kernel that greets, answers lines, and ends at `quit`. Called at its start, and again whenever its vCPU wakes up. */
export function helloKernel(): (guest: GuestPort) => void {
  let [page, sharedInfo, port, line] = [0, 0, -1, ''];

  function write(guest: GuestPort, text: string): void {
    let at = guest.read32(page + Page.out_prod.offset);
    for (const byte of new TextEncoder().encode(text))
      guest.write8(page + Page.out.offset + (at++ % XENCONS_OUT_SIZE), byte);
    guest.write32(page + Page.out_prod.offset, at >>> 0);
    guest.write32(SCRATCH, port);
    guest.hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, SCRATCH); // "look again", to the console daemon
  }

  function read(guest: GuestPort): string {
    let [at, text] = [guest.read32(page + Page.in_cons.offset), ''];
    const end = guest.read32(page + Page.in_prod.offset);
    for (; at !== end; at = (at + 1) >>> 0)
      text += String.fromCharCode(guest.read8(page + Page.in.offset + (at % XENCONS_IN_SIZE)));
    guest.write32(page + Page.in_cons.offset, at);
    return text;
  }

  return (guest) => {
    if (port < 0) {
      const startInfo = guest.regs.esi; // where Xen's builder left struct start_info
      const { mfn, evtchn } = StartInfo.console.domU;
      page = PAGE_OFFSET + guest.read32(startInfo + mfn.offset) * 4096; // translated: a frame number of our own
      port = guest.read32(startInfo + evtchn.offset);
      sharedInfo = PAGE_OFFSET + guest.read32(startInfo + StartInfo.shared_info.offset);
      write(guest, 'Hello! I am a guest of sixty lines.\n> ');
    }
    guest.write32(sharedInfo + SharedInfo.evtchn_pending.offset, 0); // the event has been noticed
    line += read(guest);
    if (line.endsWith('\r')) {
      write(guest, `you said "${line.trim()}"\n> `);
      if (line === 'quit\r') {
        guest.write32(SCRATCH, 0); // SHUTDOWN_poweroff
        guest.hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, SCRATCH);
      }
      line = '';
    }
    // struct sched_poll: where the list of ports is, how long it is, no timeout; and the list.
    guest.writeBytes(SCRATCH, new Uint8Array(Uint32Array.of(SCRATCH + 16, 1, 0, 0, port).buffer));
    guest.hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, SCRATCH); // sleep until there is an event
    guest.regs.eip -= SEMIHOST_LENGTH; // and run the instruction that called us once more
  };
}
