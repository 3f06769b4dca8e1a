import { writeFileSync } from 'node:fs';
import { capturedNetwork, PcapWriter } from '@domu/backends';
import { createGuestKernel, guestKernelImage, userlandArchive } from '@domu/guest-kernel';
import { GuestHost, type HostedGuest } from '@domu/toolstack';

const host = new GuestHost({ memoryMiB: 96 });
const pieces: Uint8Array[] = [];
const { clock } = host.machine;
const now = () => ({ seconds: Math.floor(clock.nowNs() / 1e9), nanoseconds: clock.nowNs() % 1e9 });
const pcap = new PcapWriter({ write: (bytes) => void pieces.push(bytes), now });

function start(number: number): HostedGuest {
  const lan = host.lan();
  const started = host.start({
    name: `guest-${number}`,
    kernel: guestKernelImage(),
    semihost: createGuestKernel({ random: (into) => void into.fill(number) }),
    ramdisk: userlandArchive(),
    memoryMiB: 24,
    cmdline: `quiet ip=10.0.0.${number}::::guest-${number}:eth0:off`,
    networks: [number === 1 ? capturedNetwork(lan, pcap) : lan],
  });
  if (!started.ok) throw new Error(started.error);
  return started.value;
}

/** Types a command and lets all guests run until its guest prompts again. @returns what the command said */
function shell(guest: HostedGuest, command: string): string {
  guest.output = '';
  guest.type(`${command}\n`);
  host.run({ until: () => guest.output.endsWith('# ') });
  return guest.output.split('\r\n').slice(1, -1).join('\n');
}

const guests = [1, 2, 3].map(start);
host.run({ until: () => guests.every(({ output }) => output.endsWith('# ')) });
console.log(shell(guests[0], 'ping -c 2 10.0.0.2 | tail -n 1; ping -c 1 10.0.0.3 | tail -n 1'));
console.log(shell(guests[2], 'ping -c 1 10.0.0.2 | tail -n 1'));
console.log(shell(guests[1], 'ifconfig | grep eth0'));
console.log(`${host.lan().nrStations} stations on the switch, ${host.lan().metrics.dropped} frames dropped`);
if (process.argv[2] !== undefined) writeFileSync(process.argv[2], Buffer.concat(pieces)); // for wireshark, tcpdump -r
