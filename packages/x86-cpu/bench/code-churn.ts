/**
 * A guest that keeps generating new code, and what it costs the host in memory.
 *
 *   npx tsx --conditions=@domu/source packages/x86-cpu/bench/code-churn.ts [--seconds N] [--mib N]
 *
 * Each function that it writes is hot at once: a loop of 2000 rounds over 48 instructions with constants of their own. When the
 * area of `--mib` MiB is full, it starts over where old functions lie.
 */
import { parseArgs } from 'node:util';
import { assemble, FlatMachine } from '@domu/testkit';
import { Exit } from '../src/index.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, mib: { type: 'string', default: '16' } },
});
const MIB = 1 << 20;
const CODE = 0x1000;
const AREA = MIB;
const END = AREA + Number(values.mib) * MIB;
const RAM_BYTES = END + MIB;
const SLICE = 5_000_000;

const GENERATOR = `
    mov edi, AREA
next:
    mov ebx, edi
    mov byte ptr [edi], 0xb9          # mov ecx, 2000
    mov dword ptr [edi+1], 2000
    add edi, 5
    mov edx, edi
    mov ebp, 24
emit:
    imul esi, esi, 1664525
    add esi, 1013904223
    mov byte ptr [edi], 0x05          # add eax, esi's value
    mov [edi+1], esi
    mov byte ptr [edi+5], 0x35        # xor eax, esi's value
    mov [edi+6], esi
    add edi, 10
    dec ebp
    jnz emit
    mov byte ptr [edi], 0x49          # dec ecx
    mov word ptr [edi+1], 0x850f      # jnz
    mov ecx, edx
    sub ecx, edi
    sub ecx, 7
    mov [edi+3], ecx
    mov byte ptr [edi+7], 0xc3        # ret
    add edi, 23
    and edi, -16
    call ebx
    inc dword ptr [COUNT]
    cmp edi, LAST
    jb next
    mov edi, AREA
    jmp next
`;
const COUNT = 0x800;
const LAST = END - 4096;

const rssMib = (): number => Math.round(process.memoryUsage.rss() / MIB);

function main(): void {
  const machine = new FlatMachine({ ramBytes: RAM_BYTES, engine: 'jit' });
  const { cpu } = machine;
  const words = new Uint32Array(machine.ram.buffer, machine.ram.byteOffset);
  machine.load(assemble(GENERATOR, { origin: CODE, symbols: { AREA, COUNT, LAST } }));
  cpu.run(SLICE);
  const [start, before] = [performance.now(), rssMib()];
  let most = before;
  for (let second = 1; second <= Number(values.seconds); ) {
    if (cpu.run(SLICE) !== Exit.Budget) throw new Error(`vector ${cpu.exit.vector} at ${cpu.eip}`);
    if (performance.now() - start < second * 1000) continue;
    most = Math.max(most, rssMib());
    if (second % 10 === 0) {
      const { compiled, dropped } = cpu.codeMetrics ?? {};
      console.log(
        `${second} s: ${words[COUNT >> 2]} functions, ${compiled} regions, ${dropped} dropped, ${rssMib()} MiB`,
      );
    }
    second++;
  }
  console.log(`grew by at most ${most - before} MiB`);
}

main();
