import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { assemble, testKernel } from '@domu/testkit';
import { main } from '../src/cli.ts';
import type { HostIo, Input } from '../src/io.ts';

const ENTRY = 0x100000;

/** Library of the test guests: print and shutdown; ebp holds start_info, edi the console page. */
const LIBRARY = `
    mov ebp, esi
    lea edi, [esi+0x2000]
    jmp main
print:
    mov edx, [edi+3084]
1:  mov al, [esi]
    test al, al
    jz 2f
    mov ecx, edx
    and ecx, 2047
    mov [edi+ecx+1024], al
    inc esi
    inc edx
    jmp 1b
2:  mov [edi+3084], edx
    mov eax, 32
    mov ebx, 4
    lea ecx, [ebp+56]
    int 0x82
    ret
wait_for_enter:
    mov edx, [edi+3072]
1:  cmp edx, [edi+3076]
    jne 2f
    mov eax, 29
    xor ebx, ebx
    int 0x82
    jmp 1b
2:  mov ecx, edx
    and ecx, 1023
    mov al, [edi+ecx]
    inc edx
    mov [edi+3072], edx
    cmp al, 13
    jne 1b
    ret
shutdown:
    mov [esp-4], eax
    lea ecx, [esp-4]
    mov eax, 29
    mov ebx, 2
    int 0x82
    jmp shutdown
main:
`;

/** A kernel image out of Intel-syntax assembly that may use the library: print(esi), wait_for_enter, shutdown(eax). */
export function guestKernel(source: string): Uint8Array {
  return testKernel([], [...assemble(LIBRARY + source, { origin: ENTRY }).bytes]);
}

/** Says hello and powers off. */
export const HELLO = `
    mov esi, offset text
    call print
    xor eax, eax
    jmp shutdown
text: .asciz "hello, world\\r\\n"
`;

/** Asks, waits for a line, answers and powers off. */
export const ASK = `
    mov esi, offset question
    call print
    call wait_for_enter
    mov esi, offset answer
    call print
    xor eax, eax
    jmp shutdown
question: .asciz "name? "
answer: .asciz "welcome\\r\\n"
`;

/** What came of a command that ran inside the test's own process. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory of files for one test, and the command run on it. */
export class Sandbox {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'domu-test-'));

  /** Writes a file. @returns its path */
  file(name: string, content: Uint8Array | string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** Runs `domu ARGS`. @param drive gets the terminal's input side, to type */
export async function domu(
  args: readonly string[],
  options: { terminal?: boolean; drive?: (terminal: FakeTerminal) => void } = {},
): Promise<CommandResult> {
  const terminal = new FakeTerminal(options.terminal ?? false);
  options.drive?.(terminal);
  const code = await main(args, terminal.io);
  return { code, stdout: terminal.output, stderr: terminal.errors };
}

/** stdin, stdout and stderr of a test. */
export class FakeTerminal {
  readonly io: HostIo;
  output: string = '';
  errors: string = '';
  raw: boolean = false;
  /** Called with all output so far whenever some comes. */
  onOutput: (output: string) => void = () => {};
  readonly #stdin: PassThrough;
  #signal: ((signal: 'SIGINT') => void) | null = null;

  constructor(isTTY: boolean) {
    this.#stdin = new PassThrough();
    const stdin: Input = Object.assign(this.#stdin, {
      isTTY,
      setRawMode: (raw: boolean) => {
        this.raw = raw;
      },
    });
    const collect = (add: (text: string) => void): Writable & { isTTY: boolean } =>
      Object.assign(
        new Writable({
          write(chunk: Buffer, _encoding, done) {
            add(chunk.toString('utf8'));
            done();
          },
        }),
        { isTTY },
      );
    this.io = {
      stdin,
      stdout: collect((text) => {
        this.output += text;
        this.onOutput(this.output);
      }),
      stderr: collect((text) => {
        this.errors += text;
      }),
      onSignal: (callback) => {
        this.#signal = callback;
        return () => {
          this.#signal = null;
        };
      },
    };
  }

  type(text: string): void {
    this.#stdin.write(text);
  }

  endInput(): void {
    this.#stdin.end();
  }

  interrupt(): void {
    this.#signal?.('SIGINT');
  }
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
