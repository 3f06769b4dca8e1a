/**
 * The page of code that programs find by AT_SYSINFO_EHDR: a shared object whose functions tell the time without a system
 * call, from the TSC and from a record behind the code that the kernel writes. Go's runtime wants its version definitions.
 * Source: vdso(7); the System V ABI's chapter on dynamic linking; the calculation is Xen's, public/xen.h vcpu_time_info
 */
import { PAGE_SIZE } from '../boot/layout.ts';

/** Where the record lies in the page: see {@link VdsoRecord}. */
export const VDSO_RECORD = 0xf00;

/** What the code reads. */
export interface VdsoRecord {
  /** TSC to which the times belong. */
  readonly tsc: bigint;
  /** CLOCK_MONOTONIC and CLOCK_REALTIME at that moment, ns. */
  readonly monotonic: bigint;
  readonly realtime: bigint;
  /** Nanoseconds are ((ticks << shift) * mul) >> 32; a negative shift goes to the right. */
  readonly mul: number;
  readonly shift: number;
  /** Differs from one record to the next: who has read it in part begins again. */
  readonly sequence: number;
}

/** @returns the record's bytes, for VDSO_RECORD */
export function vdsoRecord({ tsc, monotonic, realtime, mul, shift, sequence }: VdsoRecord): Uint8Array {
  const view = new DataView(new ArrayBuffer(36));
  view.setBigUint64(0, tsc, true);
  view.setBigUint64(8, monotonic, true);
  view.setBigUint64(16, realtime, true);
  view.setUint32(24, mul, true);
  view.setUint32(28, sequence, true);
  view.setInt32(32, shift, true);
  return new Uint8Array(view.buffer);
}

const CODE = 0x300;
/** Where __kernel_vsyscall lies in the page, for AT_SYSINFO. */
export const VDSO_ENTRY: number = CODE + 0x80;

/** EAX a clock: its seconds to ECX, nanoseconds to EDX, 0 to EAX; or -1 to EAX: a clock that is not served here. */
const READ = [
  'e8 00 00 00 00 5e', //       call $+5; pop esi
  'RECORD', //                  add esi, the record's distance
  '8d 7e 08 83 f8 01 74 10', // lea edi, [esi+8]; cmp eax, CLOCK_MONOTONIC; je serve
  '83 f8 07 74 0b', //          cmp eax, CLOCK_BOOTTIME; je serve
  '8d 7e 10 85 c0 74 04', //    lea edi, [esi+16]; test eax, eax; jz serve
  '83 c8 ff c3', //             or eax, -1; ret
  '8b 6e 1c 0f 31', //          serve: mov ebp, [esi+28]; rdtsc
  '2b 06 1b 56 04', //          sub eax, [esi]; sbb edx, [esi+4]
  '8b 4e 20 85 c9 78 07', //    mov ecx, [esi+32]; test ecx, ecx; js right
  '0f a5 c2 d3 e0 eb 07', //    shld edx, eax, cl; shl eax, cl; jmp scale
  'f7 d9 0f ad d0 d3 ea', //    right: neg ecx; shrd eax, edx, cl; shr edx, cl
  '89 d3 f7 66 18 89 d1', //    scale: mov ebx, edx; mul [esi+24]; mov ecx, edx
  '89 d8 f7 66 18', //          mov eax, ebx; mul [esi+24]
  '01 c8 83 d2 00', //          add eax, ecx; adc edx, 0
  '03 07 13 57 04', //          add eax, [edi]; adc edx, [edi+4]
  '3b 6e 1c 75 c6', //          cmp ebp, [esi+28]; jne serve
  'b9 00 ca 9a 3b f7 f1', //    mov ecx, 1000000000; div ecx
  '89 c1 31 c0 c3', //          mov ecx, eax; xor eax, eax; ret
];
const ENTER = '55 53 56 57'; //  push ebp; push ebx; push esi; push edi
const LEAVE = '5f 5e 5b 5d c3'; // pop edi; pop esi; pop ebx; pop ebp; ret
const CALL_READ = 'READ';

/** clock_gettime(clock, struct timespec *); what is not served here is asked of the kernel. */
const clockGettime = (store: string, call: string): string[] => [
  ...[ENTER, '8b 44 24 14', CALL_READ], //  mov eax, [esp+20]; call read
  `85 c0 75 ${hex(store.split(' ').length + 4 + 1 + LEAVE.split(' ').length - 1)}`, // test eax, eax; jnz ask
  ...['8b 5c 24 18', store, LEAVE], //      mov ebx, [esp+24]; store
  ...[call, '8b 5c 24 14 8b 4c 24 18', 'cd 80', LEAVE], // ask: mov eax, call; mov ebx, …; mov ecx, …; int 0x80
];

const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  // How libraries enter the kernel once there is a vDSO: `call %gs:0x10`, or the ELF header's entry point.
  __kernel_vsyscall: ['cd 80 c3'], // int 0x80; ret
  __vdso_clock_gettime64: clockGettime('89 0b 89 43 04 89 53 08 89 43 0c', 'b8 93 01 00 00'),
  __vdso_clock_gettime: clockGettime('89 0b 89 53 04', 'b8 09 01 00 00'),
  __vdso_gettimeofday: [
    ...[ENTER, '31 c0', CALL_READ], //             xor eax, eax; call read
    '8b 5c 24 14 85 db 74 10', //                  mov ebx, [esp+20]; test ebx, ebx; jz zone
    '89 0b 89 d0 31 d2 b9 e8 03 00 00 f7 f1', //   mov [ebx], ecx; mov eax, edx; xor edx, edx; mov ecx, 1000; div ecx
    '89 43 04', //                                 mov [ebx+4], eax
    '31 c0 8b 5c 24 18 85 db 74 05', //            zone: xor eax, eax; mov ebx, [esp+24]; test ebx, ebx; jz out
    '89 03 89 43 04', //                           mov [ebx], eax; mov [ebx+4], eax
    LEAVE,
  ],
  __vdso_time: [
    ...[ENTER, '31 c0', CALL_READ], //             xor eax, eax; call read
    '89 c8 8b 5c 24 14 85 db 74 02 89 03', //      mov eax, ecx; mov ebx, [esp+20]; test ebx, ebx; jz out; mov [ebx], eax
    LEAVE,
  ],
};

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

const word = (value: number): string =>
  [0, 8, 16, 24].map((shift) => hex((value >>> shift) & 0xff)).join(' ');

/** @param read offset of READ in the page; @param at that of the function */
function machineCode(parts: readonly string[], at: number, read: number): number[] {
  const bytes: number[] = [];
  for (const part of parts) {
    // The distance is counted from the POP, and from behind the call.
    let text = part;
    if (part === 'RECORD') text = `81 c6 ${word(VDSO_RECORD - (at + 5))}`;
    if (part === CALL_READ) text = `e8 ${word(read - (at + bytes.length + 5))}`;
    bytes.push(...text.split(' ').map((byte) => Number.parseInt(byte, 16)));
  }
  return bytes;
}

const ALIGNMENT = 16;
const SONAME = 'linux-gate.so.1';
const VERSION = 'LINUX_2.6';
const DT = {
  hash: 4,
  strtab: 5,
  symtab: 6,
  strsz: 10,
  syment: 11,
  soname: 14,
  versym: 0x6fff_fff0,
  verdef: 0x6fff_fffc,
  verdefnum: 0x6fff_fffd,
};
const VERDEF_BYTES = 28;
const SYMBOL_BYTES = 16;
/** A global function; in some section. */
const GLOBAL_FUNCTION = 0x12;
const SOME_SECTION = 1;
const PF_READ_EXECUTE = 5;
const [PT_LOAD, PT_DYNAMIC] = [1, 2];
const [EHDR_BYTES, PHDR_BYTES] = [52, 32];
const [ET_DYN, EM_386] = [3, 3];

/** The hash of DT_HASH and of versions. */
function elfHash(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = (hash << 4) + name.charCodeAt(i);
    const high = hash & 0xf000_0000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash;
}

/** @returns the page, without its record */
export function vdsoPage(): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE);
  const view = new DataView(page.buffer);
  const words = (at: number, ...values: number[]): number => {
    for (const [i, value] of values.entries()) view.setUint32(at + 4 * i, value, true);
    return at + 4 * values.length;
  };
  const names = Object.keys(FUNCTIONS);
  const strings = `\0${[SONAME, VERSION, ...names].join('\0')}\0`;
  const symbols = EHDR_BYTES + 2 * PHDR_BYTES;
  const hash = symbols + SYMBOL_BYTES * (names.length + 1);
  // One bucket, whose chain has every symbol.
  const verdef = words(hash, 1, names.length + 1, 1, 0, ...names.map((_, i) => (i + 2) % (names.length + 1)));
  // The file itself is version 1, all its functions are of version 2.
  const define = (at: number, flags: number, index: number, name: string, next: number): number =>
    words(at, 1 | (flags << 16), index | (1 << 16), elfHash(name), 20, next, strings.indexOf(`${name}\0`), 0);
  const versym = define(define(verdef, 1, 1, SONAME, VERDEF_BYTES), 0, 2, VERSION, 0);
  for (const [i] of names.entries()) view.setUint16(versym + 2 * (i + 1), 2, true);
  const dynamic = (versym + 2 * (names.length + 1) + 3) & -4;
  const entries = [
    ...[DT.hash, hash, DT.strtab, 0, DT.symtab, symbols, DT.strsz, strings.length],
    ...[DT.syment, SYMBOL_BYTES, DT.soname, 1],
    ...[DT.versym, versym, DT.verdef, verdef, DT.verdefnum, 2, 0, 0],
  ];
  const strtab = dynamic + 4 * entries.length;
  entries[3] = strtab;
  words(dynamic, ...entries);
  page.set(
    Uint8Array.from(strings, (c) => c.charCodeAt(0)),
    strtab,
  );
  page.set(machineCode(READ, CODE, CODE), CODE);
  let at = VDSO_ENTRY;
  for (const [i, name] of names.entries()) {
    const code = machineCode(FUNCTIONS[name], at, CODE);
    page.set(code, at);
    const symbol = symbols + SYMBOL_BYTES * (i + 1);
    words(symbol, strings.indexOf(`${name}\0`), at, code.length, GLOBAL_FUNCTION | (SOME_SECTION << 16));
    at = (at + code.length + ALIGNMENT - 1) & -ALIGNMENT;
  }
  page.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  words(16, ET_DYN | (EM_386 << 16), 1, VDSO_ENTRY, EHDR_BYTES, 0, 0, EHDR_BYTES | (PHDR_BYTES << 16), 2);
  words(EHDR_BYTES, PT_LOAD, 0, 0, 0, PAGE_SIZE, PAGE_SIZE, PF_READ_EXECUTE, PAGE_SIZE);
  const size = 4 * entries.length;
  words(EHDR_BYTES + PHDR_BYTES, PT_DYNAMIC, dynamic, dynamic, dynamic, size, size, 4, 4);
  return page;
}
