import type { SemihostedGuest } from '@domu/guest-kernel/semihost';
import {
  __HYPERVISOR_grant_table_op,
  GNTMAP_host_map,
  GNTST_okay,
  GNTTABOP_map_grant_ref,
  GNTTABOP_unmap_grant_ref,
  GnttabMapGrantRef,
  GnttabUnmapGrantRef,
} from '@domu/xen-abi';

const NR_ROUNDS = 3;
const PAGE_BYTES = 4096;

/** Lends a page to the domain of the command line and squares each number that it finds there when it is told to look. */
export function server(os: SemihostedGuest): void {
  const client = Number(/client=(\d+)/.exec(os.commandLine)?.[1]);
  const page = os.pages.alloc();
  if (page === null) throw new Error('no memory');
  os.guest.writeBytes(page.va, new Uint8Array(PAGE_BYTES));
  const gref = os.grants.grantAccess({ domid: client, gfn: page.gfn, readonly: false });
  let nrServed = 0;
  const port = os.events.allocUnbound(client, () => {
    const number = os.guest.read32(page.va);
    if (number === 0) return; // the binding of the channel raises an event too
    os.guest.write32(page.va + 4, number * number);
    if (typeof port !== 'number') port.notify();
    if (++nrServed < NR_ROUNDS) return;
    os.after(1e6, () => {
      os.print(`still lent: ${os.grants.inUse(gref)}; taken back: ${os.grants.endAccess(gref)}\n`);
      os.shutdown();
    });
  });
  if (typeof port === 'number') throw new Error(`no event channel: ${port}`);
  os.print(`gref=${gref} port=${port.port}`);
}

/** Maps the page of the server of the command line, and has it square three numbers. */
export function client(os: SemihostedGuest): void {
  const number = (name: string): number => Number(new RegExp(`${name}=(\\d+)`).exec(os.commandLine)?.[1]);
  const page = os.pages.alloc(); // its address is what we want: the server's page is mapped in its place
  if (page === null) throw new Error('no memory');
  const map = new DataView(new ArrayBuffer(GnttabMapGrantRef.size));
  GnttabMapGrantRef.host_addr.setNumber(map, 0, page.va);
  GnttabMapGrantRef.flags.set(map, 0, GNTMAP_host_map);
  GnttabMapGrantRef.ref.set(map, 0, number('gref'));
  GnttabMapGrantRef.dom.set(map, 0, number('server'));
  os.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, map);
  const status = GnttabMapGrantRef.status.get(map, 0);
  if (status !== GNTST_okay) throw new Error(`the page cannot be mapped: ${status}`);

  let asked = 0;
  const ask = (): void => {
    os.guest.write32(page.va, ++asked + 6);
    if (typeof port !== 'number') port.notify();
  };
  const port = os.events.bindInterdomain({ domid: number('server'), port: number('port') }, () => {
    const answer = os.guest.read32(page.va + 4);
    if (answer === 0) return ask(); // the binding's own event: now the channel works
    os.print(`${asked + 6} squared is ${answer}\n`);
    if (asked < NR_ROUNDS) return ask();
    const unmap = new DataView(new ArrayBuffer(GnttabUnmapGrantRef.size));
    GnttabUnmapGrantRef.host_addr.setNumber(unmap, 0, page.va);
    GnttabUnmapGrantRef.handle.set(unmap, 0, GnttabMapGrantRef.handle.get(map, 0));
    os.call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, unmap);
    os.print(`unmapped: reading gives ${os.guest.read32(page.va)}, a page fault\n`);
    os.shutdown();
  });
  if (typeof port === 'number') throw new Error(`no event channel: ${port}`);
}
