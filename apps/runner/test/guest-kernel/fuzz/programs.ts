/** Sound programs to be damaged: static ones, and one with an interpreter. */
import { assemble } from '@domu/testkit';
import { elfOf, endingProgram, PAGE } from './program.ts';

const HEADER_BYTES = 0x100;
const PHDR_BYTES = 32;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly va: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  readonly flags: number;
}

/** A position-independent program. */
function shared(source: string, segments: readonly Segment[], strings = ''): Uint8Array {
  const { bytes } = assemble(source, { origin: HEADER_BYTES });
  const file = new Uint8Array(3 * PAGE);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [at, value] of [
    [16, 3],
    [18, 3],
    [40, 52],
    [42, PHDR_BYTES],
    [44, segments.length],
  ] as const)
    view.setUint16(at, value, true);
  for (const [at, value] of [
    [20, 1],
    [24, HEADER_BYTES],
    [28, 52],
  ] as const)
    view.setUint32(at, value, true);
  for (const [i, { type, offset, va, fileBytes, memoryBytes, flags }] of segments.entries())
    for (const [k, word] of [type, offset, va, va, fileBytes, memoryBytes, flags, PAGE].entries())
      view.setUint32(52 + PHDR_BYTES * i + 4 * k, word, true);
  file.set(
    Uint8Array.from(strings, (c) => c.charCodeAt(0)),
    PAGE - 64,
  );
  file.set(bytes, HEADER_BYTES);
  return file;
}

const load = (offset: number, fileBytes: number, memoryBytes: number, flags: number): Segment => ({
  ...{ type: 1, offset, va: offset, fileBytes, memoryBytes, flags },
});

/** Writes to its data and to what lies behind it, then ends. */
const WORK = `
    call 1f
1:  pop ebx
    and ebx, 0xfffff000
    mov dword ptr [ebx+0x1000], 5
    mov dword ptr [ebx+0x2ffc], 6
    push 7
    pop ecx
    mov ebx, 0
    mov eax, 1
    int 0x80
`;

/** An interpreter: it goes to the program's entry, which AT_ENTRY tells. */
const INTERPRET = `
    mov esi, esp
    mov eax, [esi]
    lea esi, [esi+eax*4+8]
1:  mov eax, [esi]
    add esi, 4
    test eax, eax
    jnz 1b
2:  mov eax, [esi]
    add esi, 8
    cmp eax, 9
    je 3f
    test eax, eax
    jnz 2b
    mov ebx, 3
    mov eax, 1
    int 0x80
3:  jmp [esi-4]
`;

const INTERPRETER = '/ld\0';

/** Programs by name; \`ld\` is to lie at /ld. */
export function soundPrograms(): Readonly<Record<string, Uint8Array>> {
  const interp: Segment = {
    type: 3,
    offset: PAGE - 64,
    va: PAGE - 64,
    fileBytes: INTERPRETER.length,
    memoryBytes: INTERPRETER.length,
    flags: 4,
  };
  const phdr: Segment = { type: 6, offset: 52, va: 52, fileBytes: 128, memoryBytes: 128, flags: 4 };
  const two = [load(0, PAGE, PAGE, 5), load(PAGE, PAGE, 3 * PAGE, 6)];
  return {
    static: endingProgram(0),
    large: elfOf(new Uint8Array(20_000).fill(0x90), 1 << 20),
    pie: shared(WORK, two),
    dynamic: shared(WORK, [phdr, interp, ...two], INTERPRETER),
    ld: shared(INTERPRET, [load(0, PAGE, PAGE, 5), load(PAGE, 100, PAGE, 6)]),
  };
}
