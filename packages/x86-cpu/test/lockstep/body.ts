import type { Assembler, Label } from './assembler.ts';
import { little } from './assembler.ts';
import { Group } from './group.ts';
import { COUNTER_AT, INNER_AT, MAPPED_PAGES, SELECTORS, WorldChange } from './layout.ts';
import { type Frame, leftBehind, type Plan, type Routine, type Style } from './plan.ts';
import type { Random } from './random.ts';
import { instruction } from './rows.ts';
import { emitSpills } from './spills.ts';

const ESP = 1 << 4;
const EBP = 1 << 5;
/** Longest way of a forward branch, in items. */
const BRANCH_ITEMS = 5;
const INNER_LOOPS = 4;
const EDGES = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];
/** Registers that are nobody's pointers to the stack. */
const SCRATCH = [0, 1, 2, 3, 6, 7];
/** ADD OR ADC SBB AND SUB XOR CMP TEST, on bytes. */
const FLAG_OPERATIONS = [0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x38, 0x38, 0x84];
/** Rounds of the main loop in which most of it is compiled. */
const LAST_ROUNDS = 20;
/** Pages of the program, most of which lies on the second. */
const OWN_PAGES = [3, 4, 4, 5];
const { remap, switchSpace } = WorldChange;
const WORLD_CHANGES = [...Object.values(WorldChange), remap, remap, remap, switchSpace];

/** A run of random instructions, calls, branches and inner loops. */
export class Body {
  readonly #random: Random;
  readonly #asm: Assembler;
  readonly #plan: Plan;
  readonly #style: Style;
  readonly #pending: { readonly label: Label; left: number }[] = [];
  /** The routine that this is the inside of. */
  #inside: Routine | null = null;
  #landings: Label[] = [];

  constructor(random: Random, asm: Assembler, plan: Plan, style: Style) {
    this.#random = random;
    this.#asm = asm;
    this.#plan = plan;
    this.#style = style;
  }

  /** The main loop's body, which holds the landings. */
  main(count: number): void {
    this.#landings = [...this.#plan.landings];
    this.#run(count);
    for (const landing of this.#landings) this.#asm.place(landing);
  }

  inside(routine: Routine, count: number): void {
    this.#inside = routine;
    this.#run(count);
  }

  #run(count: number): void {
    const end = this.#asm.instructions + count;
    while (this.#asm.instructions < end) {
      this.#arrive();
      if (this.#landings.length > 0 && this.#random.chance(5)) this.#asm.place(this.#landings.pop()!);
      this.#item();
    }
    for (const { label } of this.#pending) this.#asm.place(label);
    this.#pending.length = 0;
  }

  /** Places the labels of branches that lead here. */
  #arrive(): void {
    for (const jump of this.#pending) if (jump.left-- === 0) this.#asm.place(jump.label);
  }

  #item(): void {
    const random = this.#random;
    const { changesWorld, changesCode } = this.#style;
    let n = random.below(100);
    const share = (percent: number): boolean => {
      n -= percent;
      return n < 0;
    };
    if (share(11)) this.#branch();
    else if (share(this.#callees().length > 0 ? 9 : 2)) this.#call();
    else if (share(7)) this.#constant();
    else if (share(6)) this.#group();
    else if (share(3)) emitSpills(random, this.#asm, this.#kept);
    else if (share(5)) this.#comparison();
    else if (share(2)) this.#innerLoop();
    else if (share(1)) this.#callPop();
    else if (changesWorld && share(8)) this.#changeWorld();
    else if (changesCode && share(4)) this.#changeCode();
    else this.#plain();
  }

  get #frame(): Frame {
    return this.#inside?.frame ?? (this.#style.framed ? 'ebp' : 'none');
  }
  get #kept(): number {
    if (!this.#style.orderly) return 0;
    return this.#frame === 'ebp' || this.#frame === 'enter' ? ESP | EBP : ESP;
  }

  #plain(): void {
    const frame = this.#inside?.frame;
    const balanced = this.#style.orderly && (frame === 'none' || frame === 'saved');
    const { flavour } = this.#style;
    this.#asm.emitSpare(instruction(this.#random, { flavour, kept: this.#kept, balanced }));
  }

  #constant(): void {
    const random = this.#random;
    let register = random.below(8);
    while ((this.#kept >> register) & 1) register = random.below(8);
    this.#asm.constant(register, this.#value());
  }

  /** Often one that others equal, or that carries and overflows happen around. */
  #value(): number {
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
      case 1:
        return random.pick(EDGES);
      case 2:
        return random.chance(50) ? random.pick(SELECTORS) : random.below(0x100);
      case 3:
      case 4:
        return random.u32();
      default:
        return random.below(0x10000);
    }
  }

  /** Two registers that are near each other, an operation that sets flags by them, and a branch or SETcc that asks for these. */
  #comparison(): void {
    const random = this.#random;
    const [a, b] = [random.pick(SCRATCH), random.pick(SCRATCH)];
    const value = this.#value();
    this.#asm.constant(a, value);
    if (random.chance(70)) this.#asm.constant(b, value + random.below(3) - 1);
    const operation = random.pick(FLAG_OPERATIONS);
    const narrow = random.chance(20) ? [0x66] : [];
    const wide = random.chance(75) ? 1 : 0;
    this.#asm.emitSpare([...narrow, operation | wide, 0xc0 | (b << 3) | a]);
    if (random.chance(20)) this.#asm.emitSpare([random.pick([0x40, 0x48]) | random.pick(SCRATCH)]);
    if (random.chance(60)) this.#branch();
    else this.#asm.emitSpare([0x0f, 0x90 | random.below(16), 0xc0 | random.below(4)]);
  }

  #branch(): void {
    const random = this.#random;
    const label = this.#asm.label();
    const near = random.chance(70);
    if (near) this.#asm.emit(random.chance(8) ? 0xeb : 0x70 | random.below(16));
    else this.#asm.emit(0x0f, 0x80 | random.below(16));
    if (near) this.#asm.near(label);
    else this.#asm.relative(label);
    this.#asm.instructions++;
    this.#pending.push({ label, left: random.below(BRANCH_ITEMS) });
  }

  /** mov dword [INNER + 4n], k; L: ...; dec dword [INNER + 4n]; jnz L */
  #innerLoop(): void {
    const random = this.#random;
    const counter = INNER_AT + 4 * random.below(INNER_LOOPS);
    this.#asm.emit(0xc7, 0x05, ...little(counter), ...little(1 + random.below(6)));
    const top = this.#asm.here();
    for (let i = 1 + random.below(5); i > 0; i--) {
      if (random.chance(20)) this.#branch();
      else this.#plain();
      this.#arrive();
    }
    this.#asm.emit(0xff, 0x0d, ...little(counter), 0x0f, 0x85);
    this.#asm.relative(top);
  }

  /** Those that this may call; a routine that is not recursive calls later ones. */
  #callees(): readonly Routine[] {
    const from = this.#inside;
    const { routines } = this.#plan;
    if (!from) return routines;
    return routines.filter((r) => r.index > from.index || (r.recursive && from.recursive));
  }

  #call(): void {
    const callees = this.#callees();
    if (callees.length === 0) {
      // call over a return: call +2; jmp over it; ret
      this.#asm.emit(0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3);
      return;
    }
    const random = this.#random;
    const asm = this.#asm;
    const routine = random.pick(callees);
    for (let i = 0; i < routine.argumentBytes; i += 4) {
      asm.emit(
        ...random.pick([
          [0x50 | random.below(8)],
          [0x6a, random.below(256)],
          [0x68, ...little(random.u32())],
        ]),
      );
    }
    this.#callInstruction(routine);
    if (routine.way === 'skip') asm.constant(0, random.u32());
    const left = leftBehind(routine);
    if (left > 0)
      asm.emit(
        ...random.pick([
          [0x83, 0xc4, left],
          [0x8d, 0x64, 0x24, left],
        ]),
      );
  }

  #callInstruction({ entry, index }: Routine): void {
    const random = this.#random;
    const asm = this.#asm;
    const register = random.pick([0, 1, 2, 3, 6, 7]);
    switch (random.below(6)) {
      case 0:
        // mov r, entry; call r
        asm.emit(0xb8 | register);
        asm.absolute(entry);
        asm.emit(0xff, 0xd0 | register);
        return;
      case 1:
        // call [table + 4 * index]
        asm.emit(0xff, 0x15);
        asm.absolute(this.#plan.table, 4 * index);
        return;
      case 2:
        // mov r, index; call [r * 4 + table]
        asm.emit(0xb8 | register, ...little(index), 0xff, 0x14, 0x85 | (register << 3));
        asm.absolute(this.#plan.table);
        return;
      default:
        asm.emit(0xe8);
        asm.relative(entry);
    }
  }

  /** call +0; pop r */
  #callPop(): void {
    this.#asm.emit(0xe8, 0, 0, 0, 0, 0x58 | this.#random.pick([0, 1, 2, 3, 6, 7]));
  }

  #group(): void {
    const { flavour, vectors } = this.#style;
    new Group(this.#random, this.#asm, flavour, this.#kept, vectors).emit(this.#frame);
  }

  /** In one round of the main loop as a rule: cmp dword [COUNTER], k; jne over; mov eax, change; cpuid; over: */
  #changeWorld(): void {
    const random = this.#random;
    const over = this.#asm.label();
    if (random.chance(80)) {
      this.#asm.emit(0x83, 0x3d, ...little(COUNTER_AT), 1 + random.below(LAST_ROUNDS), 0x75);
      this.#asm.near(over);
    }
    const operation = random.pick(WORLD_CHANGES);
    const argument = operation === WorldChange.write ? random.below(0x800) : random.below(16);
    const page = random.chance(60) ? random.pick(OWN_PAGES) : random.below(MAPPED_PAGES);
    this.#asm.constant(0, operation | (page << 4) | (argument << 12));
    this.#asm.emit(0x0f, 0xa2);
    this.#asm.place(over);
  }

  /** Stores to a constant of the program or to the data between its code, directly or through an alias. */
  #changeCode(): void {
    const random = this.#random;
    const asm = this.#asm;
    const alias = 0x10000 * random.below(4);
    const target = (): void => {
      if (random.chance(70)) asm.constantAddress(random, alias);
      else asm.absolute(this.#plan.hole, alias + random.below(24));
    };
    switch (random.below(5)) {
      case 0: {
        // xor dword [opening - 3], 1 << 24: only its last byte is code; it tells which register is loaded there.
        asm.emit(0x81, 0x35);
        asm.absolute(random.pick(this.#plan.openings), alias - 3);
        asm.emit(0, 0, 0, 1);
        return;
      }
      case 1:
        asm.emit(0xfe, 0x05);
        target();
        return;
      case 2:
        asm.emit(0x88, 0x05 | (random.below(8) << 3));
        target();
        return;
      case 3:
        asm.emit(0x81, 0x05);
        target();
        asm.word(random.u32());
        return;
      default:
        asm.emit(0x89, 0x05 | (random.below(8) << 3));
        target();
    }
  }
}
