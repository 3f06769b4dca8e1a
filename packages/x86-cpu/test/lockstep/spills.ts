import type { Assembler } from './assembler.ts';
import type { Random } from './random.ts';

/** Bytes above ESP where nothing returns to. */
const FIRST = 16;
const WORDS = 12;
const SCRATCH = [0, 1, 2, 3, 6, 7];
/** MOV, ADD, XOR, CMP, XCHG with a register and a word in memory, both ways. */
const OPERATIONS = [0x89, 0x8b, 0x89, 0x8b, 0x89, 0x8b, 0x01, 0x03, 0x31, 0x33, 0x39, 0x87];
/** MOV of a byte, both ways, and MOV of 16 bits. */
const NARROW = [[0x88], [0x8a], [0x66, 0x89], [0x66, 0x8b]];

/**
 * What compilers do with too few registers: words of the stack are stored and loaded at known distances from ESP, and now
 * and then through a pointer into the same stack.
 * @param kept mask of registers that must stay
 */
export function emitSpills(random: Random, asm: Assembler, kept: number): void {
  const free = SCRATCH.filter((register) => !((kept >> register) & 1));
  const pointer = random.pick(free);
  const others = free.filter((register) => register !== pointer);
  const at = (): number => FIRST + 4 * random.below(WORDS);
  asm.emit(0x8d, 0x44 | (pointer << 3), 0x24, at());
  for (let i = 4 + random.below(10); i > 0; i--) {
    const register = random.pick(others);
    const isNarrow = random.chance(12);
    const opcode = isNarrow ? random.pick(NARROW) : [random.pick(OPERATIONS)];
    if (random.chance(25))
      asm.emit(...opcode, 0x40 | (register << 3) | pointer, ((random.below(8) - 4) * 4) & 0xff);
    else asm.emit(...opcode, 0x44 | (register << 3), 0x24, at() + (isNarrow ? random.below(4) : 0));
    if (random.chance(10)) asm.emit(0xc7, 0x44, 0x24, at(), ...[1, 0, 0, 0]);
  }
}
