// The run whose V8 code is kept beside the built command: the built-in kernel, whose user space works long enough to be
// compiled, floating point included.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BASE = 0x08048000;
const SECTOR = 512;
const HEADERS = 84;
/** A loop that is hot, in bytes; what it computes goes nowhere. */
const LOOP = [
  'f2 0f 2a c1', // cvtsi2sd xmm0, ecx
  'f2 0f 11 44 24 f8', // movsd [esp-8], xmm0
  'f2 0f 10 4c 24 f8', // movsd xmm1, [esp-8]
  'f2 0f 59 c8', // mulsd xmm1, xmm0
  'f2 0f 58 c8', // addsd xmm1, xmm0
  'f2 0f 5c c8', // subsd xmm1, xmm0
  'f2 0f 5e c8', // divsd xmm1, xmm0
  'f2 0f 51 d1', // sqrtsd xmm2, xmm1
  '66 0f 28 da', // movapd xmm3, xmm2
  '66 0f 14 db', // unpcklpd xmm3, xmm3
  '66 0f 59 db', // mulpd xmm3, xmm3
  '66 0f 58 db', // addpd xmm3, xmm3
  'f2 0f 5a e1', // cvtsd2ss xmm4, xmm1
  'f3 0f 59 e4', // mulss xmm4, xmm4
  '0f 59 e4', // mulps xmm4, xmm4
  '66 0f ef ed', // pxor xmm5, xmm5
  '66 0f fe eb', // paddd xmm5, xmm3
  '66 0f 6f f5', // movdqa xmm6, xmm5
  'dd 44 24 f8', // fld qword [esp-8]
  'd8 c8', // fmul st, st
  'd9 e8', // fld1
  'de c1', // faddp
  'dd 5c 24 f8', // fstp qword [esp-8]
  '49', // dec ecx
];
const ROUNDS = 'b9 70 17 00 00'; // mov ecx, 6000
const EXIT = '31 db b8 01 00 00 00 cd 80'; // exit(0)

const bytes = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** An i386 Linux program of that loop, which fills a sector. */
function floatProgram() {
  const loop = bytes(LOOP.join(''));
  const back = Buffer.from([0x0f, 0x85, 0, 0, 0, 0]); // jnz
  back.writeInt32LE(-(loop.length + back.length), 2);
  const code = Buffer.concat([bytes(ROUNDS), loop, back, bytes(EXIT)]);
  const length = HEADERS + code.length;
  const file = Buffer.alloc(SECTOR);
  file.set(bytes('7f 45 4c 46 01 01 01'));
  const half = (value, at) => file.writeUInt16LE(value, at);
  half(2, 16); // an executable
  half(3, 18); // for i386
  half(52, 40); // e_ehsize
  half(32, 42); // e_phentsize
  half(1, 44); // e_phnum
  const words = { 20: 1, 24: BASE + HEADERS, 28: 52, 52: 1, 60: BASE, 64: BASE, 68: length, 72: length };
  for (const [at, value] of Object.entries({ ...words, 76: 5, 80: 4096 }))
    file.writeUInt32LE(value, Number(at));
  code.copy(file, HEADERS);
  return file;
}

const COMMANDS =
  'hexdump /bin/sh | sort | wc; cp /bin/true /tmp/f; cat /dev/xvda > /tmp/f; /tmp/f; echo done';

/** Calls `run` with the arguments of the usual run. */
export function usually(run) {
  const folder = mkdtempSync(join(tmpdir(), 'domu-usual-'));
  const disk = join(folder, 'float.img');
  try {
    writeFileSync(disk, floatProgram());
    run([
      ...['run', 'guest-kernel', '--engine', 'jit', '--clock', 'virtual', '--cmdline', 'quiet'],
      ...['--disk', `${disk},raw,xvda,r`, '--timeout', '30', '--console', 'none'],
      ...['--expect', '# ', '--type', `${COMMANDS}\\n`, '--expect', '^done'],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
