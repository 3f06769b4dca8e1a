import { writeCpio } from '@domu/guest-kernel';
import { assemble } from '@domu/testkit';
import { type CommandResult, domu, type Sandbox } from '../harness.ts';

const BASE = 0x0804_8000;
const HEADER_BYTES = 0x80;
const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const S_IFREG = 0o100_000;
const S_IFDIR = 0o040_000;

/** System call numbers that tests use by name. */
const NUMBERS = { exit: 1, write: 4, reboot: 88 } as const;

/** Registers of a system call's arguments. */
const ARGUMENTS = ['ebx', 'ecx', 'edx', 'esi', 'edi', 'ebp'] as const;

/** Assembly of a system call; string arguments are operands ("offset text", "eax"). The result is in EAX. */
export function sys(number: number, ...args: readonly (number | string)[]): string {
  const loads = args.map((arg, i) => `mov ${ARGUMENTS[i]}, ${arg}`);
  return [...loads, `mov eax, ${number}`, 'int 0x80'].join('\n');
}

/** Powers the machine off. */
export const POWER_OFF: string = sys(NUMBERS.reboot, 0xfee1_dead, 0x2812_1969, 0x4321_fedc);

/** Goes on if EAX is `wanted`, else prints the name of the check and powers off. */
export function check(name: string, wanted: number | string): string {
  return `
    mov ecx, ${wanted}
    cmp eax, ecx
    je 9f
    mov esi, offset 8f
    jmp failed
8:  .asciz "${name}"
9:
`;
}

const LIBRARY = `
    jmp main
failed:                             # text at ESI
    push eax
    call print
    mov esi, offset failed_text
    call print
    pop edx
    mov edi, offset digits
    mov ecx, 8
1:  rol edx, 4
    mov eax, edx
    and eax, 15
    add al, 48
    cmp al, 58
    jb 2f
    add al, 39
2:  mov [edi], al
    inc edi
    loop 1b
    mov esi, offset digits
    call print
    ${POWER_OFF}
print:                              # text at ESI
    mov ecx, esi
    xor edx, edx
1:  cmp byte ptr [ecx+edx], 0
    je 2f
    inc edx
    jmp 1b
2:  mov ebx, 1
    mov eax, ${NUMBERS.write}
    int 0x80
    ret
failed_text: .asciz " failed: "
digits: .asciz "00000000\\n"
main:
`;

/** An i386 program out of assembly; \`print\` takes a text at ESI. One segment that may be read, written and executed. */
export function userProgram(source: string, options: { readonly bssBytes?: number } = {}): Uint8Array {
  const { bytes } = assemble(LIBRARY + source, { origin: BASE + HEADER_BYTES });
  const file = new Uint8Array(HEADER_BYTES + bytes.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 3, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, BASE + HEADER_BYTES, true);
  view.setUint32(28, EHDR_BYTES, true);
  view.setUint16(40, EHDR_BYTES, true);
  view.setUint16(42, PHDR_BYTES, true);
  view.setUint16(44, 1, true);
  const memory = file.length + (options.bssBytes ?? 0);
  for (const [i, word] of [1, 0, BASE, BASE, file.length, memory, 7, 4096].entries())
    view.setUint32(EHDR_BYTES + 4 * i, word, true);
  file.set(bytes, HEADER_BYTES);
  return file;
}

/** A cpio archive of files by path; directories end in a slash. */
export function cpio(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const members = Object.entries(files).map(([path, data]) =>
    path.endsWith('/')
      ? { name: path.slice(0, -1), mode: S_IFDIR | 0o755 }
      : { name: path, mode: S_IFREG | 0o755, data },
  );
  return writeCpio(members);
}

/** Boots the built-in kernel with these files as its root. */
export function boot(
  sandbox: Sandbox,
  files: Readonly<Record<string, Uint8Array>>,
  ...args: readonly string[]
): Promise<CommandResult> {
  const ramdisk = sandbox.file('initramfs.cpio', cpio({ 'dev/': new Uint8Array(0), ...files }));
  const fixed = ['--ramdisk', ramdisk, '--memory', '16', '--cmdline', 'quiet', '--timeout', '60'];
  return domu(['run', 'guest-kernel', ...fixed, ...args]);
}
