import { guestKernelImage } from '@domu/guest-kernel/semihost';
import { GuestHost } from '@domu/toolstack';
import { helloKernel } from './guest.ts';

const host = new GuestHost();
const started = host.start({ kernel: guestKernelImage(), semihost: helloKernel() });
if (!started.ok) throw new Error(started.error);
const guest = started.value;
for (const typed of ['', 'is anybody there?\r', 'quit\r']) {
  guest.type(typed);
  host.run(); // until the guest sleeps
}
console.log(guest.output);
console.log(`The guest has ${guest.fate}.`);
