import { guestKernelImage, semihostedKernel } from '@domu/guest-kernel/semihost';
import { GuestHost, type GuestOptions, type HostedGuest } from '@domu/toolstack';
import { client, server } from './guests.ts';

const host = new GuestHost();

function start(name: string, options: Omit<GuestOptions, 'kernel'>): HostedGuest {
  const started = host.start({ name, kernel: guestKernelImage(), ...options });
  if (!started.ok) throw new Error(started.error);
  return started.value;
}

const first = start('server', { semihost: semihostedKernel(server), cmdline: 'client=2' });
host.run(); // until it waits for its client
const offer = first.output;
console.log(`the server offers ${offer}`);
first.output = '';

// Guests find each other through xenstore, or as here through whoever starts them.
const second = start('client', { semihost: semihostedKernel(client), cmdline: `server=1 ${offer}` });
host.run();
console.log(second.output + first.output.trimEnd());
console.log(`server ${first.fate}, client ${second.fate}`);
for (const guest of [first, second]) guest.destroy();
console.log(`${host.machine.liveGrants} grants left`);
