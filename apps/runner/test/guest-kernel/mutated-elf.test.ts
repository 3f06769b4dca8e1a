import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const FORK = 2;
const EXECVE = 11;
const WAIT4 = 114;
const EXIT = 1;
const ALARM = 27;
const NR_FILES = 400;
/** What is changed: the headers, and sometimes code. */
const HEADER_BYTES = 0x54;

/** Starts the programs /p000, /p001 … one after the other. */
const STARTER = `
    mov dword ptr [left], ${NR_FILES}
next:
    ${sys(FORK)}
    test eax, eax
    jnz parent
    ${sys(ALARM, 1)}
    ${sys(EXECVE, 'offset path', 'offset argv', 0)}
    ${sys(EXIT, 1)}
parent:
    ${sys(WAIT4, -1, 0, 0, 0)}
    mov edi, offset path+4
1:  inc byte ptr [edi]
    cmp byte ptr [edi], 58
    jb 2f
    mov byte ptr [edi], 48
    dec edi
    jmp 1b
2:  dec dword ptr [left]
    jnz next
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
path: .asciz "/p000"
    .balign 4
argv: .long path, 0
left: .long 0
`;

/** Numbers in [0, 2^31) that are the same each time. */
function* numbers(): Generator<number, never> {
  for (let state = 1; ; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield state >>> 1;
  }
}

test('programs whose headers are damaged do no harm to the kernel', async () => {
  const random = numbers();
  const pick = (below: number): number => (random.next().value >>> 8) % below;
  const original = userProgram(sys(EXIT, 0));
  const files: Record<string, Uint8Array> = { init: userProgram(STARTER, { bssBytes: 4096 }) };
  for (let i = 0; i < NR_FILES; i++) {
    const file = original.slice(0, pick(10) === 0 ? pick(original.length) : original.length);
    for (let change = 0; change <= pick(4); change++) {
      const at = pick(pick(8) === 0 ? original.length : HEADER_BYTES);
      const values = [0, 0xff, 0x7f, 0x80, 1, pick(256)];
      if (at < file.length) file[at] = values[pick(values.length)];
    }
    files[`p${String(i).padStart(3, '0')}`] = file;
  }
  const result = await boot(sandbox, files, '--clock', 'virtual');
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/fine\r\n$/);
});
