// v86 in a process of its own, without a compiler of TypeScript in it: the multiboot image on a PC with SeaBIOS, its
// serial port on stdout. Arguments: image, command line, MiB, BIOS, VGA BIOS.

import { readFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const STDOUT = 1;
const LINE_FEED = 10;
const [image, cmdline, mib, bios, vgaBios] = process.argv.slice(2);
const file = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

const emulator = new V86({
  wasm_path: fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86'))),
  memory_size: Number(mib) << 20,
  vga_memory_size: 2 << 20,
  bios: file(bios),
  vga_bios: file(vgaBios),
  multiboot: file(image),
  cmdline,
  autostart: true,
});
let line = '';
emulator.add_listener('serial0-output-byte', (byte) => {
  line += String.fromCharCode(byte);
  if (byte !== LINE_FEED) return;
  writeSync(STDOUT, line);
  line = '';
});
