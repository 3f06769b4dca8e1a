/** The program of all processes: loops that ask the host which system call to make. */
import { assemble } from '@domu/testkit';

const BASE = 0x0804_8000;
const HEADER_BYTES = 0x80;
export const PAGE = 4096;

/** Numbers that no system call has: the host puts another call in their place. */
/** The first call of a program: who it is, the host says. */
export const ASK_ENTRY = 0x7a00_0000;
export const ASK_SUPERVISOR = 0x7a00_0001;
export const ASK_SETUP = 0x7a00_0002;
export const ASK_WORKER = 0x7a00_0003;
export const ASK_GUARD = 0x7a00_0004;

/** Code of those who are not attackers, a page; attackers are without it. */
export const TRUSTED: number = BASE + PAGE;
/** A page that every process has of its own; the host writes structures into it. Its last byte is the loops'. */
export const HOT: number = TRUSTED + PAGE;
/** Paths and structures that the host has put into the file. */
export const DATA: number = HOT + PAGE;
export const DATA_BYTES: number = 4 * PAGE;
/** Zeros for buffers. */
export const ROOM: number = DATA + DATA_BYTES;
export const ROOM_BYTES: number = 64 * PAGE;

const loop = (name: string, number: number, extra = ''): string => `
${name}:
    ${extra}
    inc byte ptr [${HOT + PAGE - 1}]
    mov eax, ${number}
    int 0x80
    mov ebx, eax
    jmp ${name}
`;

const SOURCE = `
${loop('entry', ASK_ENTRY)}
${loop('worker', ASK_WORKER)}
${loop('floating', ASK_WORKER, '.byte 0xd9, 0xe8, 0xdd, 0xd8')}
handler:
    ret
`;

const TRUSTED_SOURCE = `
${loop('supervisor', ASK_SUPERVISOR)}
${loop('setup', ASK_SETUP)}
${loop('guard', ASK_GUARD)}
`;

/** Addresses in the program. */
export interface ProgramPlaces {
  readonly supervisor: number;
  readonly setup: number;
  readonly worker: number;
  /** The worker's loop with the FPU in use. */
  readonly floating: number;
  readonly guard: number;
  /** A signal handler. */
  readonly handler: number;
}

/** An i386 program with one segment of everything. */
export function elfOf(code: Uint8Array, memoryBytes: number): Uint8Array {
  const file = new Uint8Array(HEADER_BYTES + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [at, value] of [
    [16, 2],
    [18, 3],
    [40, 52],
    [42, 32],
    [44, 1],
  ] as const)
    view.setUint16(at, value, true);
  for (const [at, value] of [
    [20, 1],
    [24, BASE + HEADER_BYTES],
    [28, 52],
  ] as const)
    view.setUint32(at, value, true);
  for (const [i, word] of [
    1,
    0,
    BASE,
    BASE,
    file.length,
    Math.max(memoryBytes, file.length),
    7,
    PAGE,
  ].entries())
    view.setUint32(52 + 4 * i, word, true);
  file.set(code, HEADER_BYTES);
  return file;
}

/** @param data what lies at DATA */
export function fuzzProgram(data: Uint8Array): { readonly file: Uint8Array; readonly places: ProgramPlaces } {
  const assembled = assemble(SOURCE, { origin: BASE + HEADER_BYTES });
  const trusted = assemble(TRUSTED_SOURCE, { origin: TRUSTED });
  const code = new Uint8Array(DATA - BASE - HEADER_BYTES + DATA_BYTES);
  code.set(assembled.bytes);
  code.set(trusted.bytes, TRUSTED - BASE - HEADER_BYTES);
  code.set(data.subarray(0, DATA_BYTES), DATA - BASE - HEADER_BYTES);
  return {
    file: elfOf(code, DATA - BASE + DATA_BYTES + ROOM_BYTES),
    places: {
      supervisor: trusted.address('supervisor'),
      setup: trusted.address('setup'),
      worker: assembled.address('worker'),
      floating: assembled.address('floating'),
      guard: trusted.address('guard'),
      handler: assembled.address('handler'),
    },
  };
}

/** A program that ends with a status at once. */
export function endingProgram(status: number): Uint8Array {
  const { bytes } = assemble(`mov ebx, ${status}\n mov eax, 1\n int 0x80\n`, { origin: BASE + HEADER_BYTES });
  return elfOf(Uint8Array.from(bytes), 0);
}
