/** Modules that import one table. */
const MODULES_PER_TABLE = 64;
/** Length of a new table; it doubles when there are more regions, since V8 copies it into each instance that imports it. */
const FIRST_LENGTH = 128;
/**
 * Tables, and bytes of modules that are kept for the regions left of them, beyond which the oldest regions go. A database has
 * two regions in a module and needs as many; where each is alone in its module, more would cost 300 MiB before V8 lets go of old ones.
 */
const MAX_TABLES = 14;
const MAX_KEPT_BYTES = 24 << 20;

/** What was compiled within some time, and the table that its modules import. */
interface Generation {
  readonly table: WebAssembly.Table;
  /** Slots of its regions that exist. */
  readonly slots: Set<number>;
  modules: number;
  /** Length of its modules. */
  bytes: number;
}

/**
 * Compiled code by slot: in the interpreter's table, and again in the tables that modules with regions import to call each
 * other. V8 keeps every instance that imports a table for as long as the table lives, so there is a new one from time to
 * time: when the last region of a generation has gone, its table and all its instances can go as well.
 *
 * Slot 0 means none: a call of it finds what the interpreter has there. In the tables of regions the next ones are for what
 * else their modules call.
 */
export class RegionTables {
  readonly #main: WebAssembly.Table;
  readonly #first: number;
  #generations: Generation[] = [];
  readonly #bySlot: Map<number, Generation> = new Map();
  /** Slots that were given back, and the first of those that were never taken. */
  readonly #returned: number[] = [];
  #untouched: number;
  /** Length of the tables of regions. */
  #extent = FIRST_LENGTH;

  /**
   * @param main  the interpreter's table
   * @param extra places after the first that are never taken
   */
  constructor(main: WebAssembly.Table, extra: number) {
    this.#main = main;
    this.#first = 1 + extra;
    this.#untouched = this.#first;
  }

  /** Slots, those that are never taken included. */
  get length(): number {
    return this.#main.length;
  }
  /** Slots that can be taken. */
  get free(): number {
    return this.#returned.length + this.length - this.#untouched;
  }
  /** Regions that must be removed before the next module, the oldest ones. */
  get outdated(): number {
    const [oldest, ...younger] = this.#generations;
    if (!oldest || younger.length === 0) return 0;
    const bytes = younger.reduce((sum, generation) => sum + generation.bytes, oldest.bytes);
    return bytes > MAX_KEPT_BYTES || this.#generations.length > MAX_TABLES ? oldest.slots.size : 0;
  }

  #isDue(): boolean {
    const current = this.#generations.at(-1);
    return !current || current.modules >= MODULES_PER_TABLE;
  }

  /** Takes a free slot. */
  take(): number {
    const slot = this.#returned.pop() ?? this.#untouched++;
    if (slot >= this.#extent) this.#grow();
    return slot;
  }

  #grow(): void {
    for (const { table } of this.#generations) table.grow(this.#extent);
    this.#extent *= 2;
  }

  /** The table for one more module, of `bytes` bytes. */
  next(bytes: number): WebAssembly.Table {
    const isDue = this.#isDue();
    const current = this.#generations.at(-1);
    this.#generations = this.#generations.filter((g) => g.slots.size > 0 || (g === current && !isDue));
    if (isDue) this.#generations.push({ table: this.#mirror(), slots: new Set(), modules: 0, bytes: 0 });
    return this.#count(bytes);
  }

  #count(bytes: number): WebAssembly.Table {
    const current = this.#generations.at(-1)!;
    current.modules++;
    current.bytes += bytes;
    return current.table;
  }

  #mirror(): WebAssembly.Table {
    const table = new WebAssembly.Table({ initial: this.#extent, element: 'anyfunc' });
    for (const slot of [0, ...this.#bySlot.keys()]) table.set(slot, this.#main.get(slot));
    return table;
  }

  /** Puts a function of the last module into a slot that was taken. */
  set(slot: number, code: unknown): void {
    const current = this.#generations.at(-1)!;
    current.slots.add(slot);
    this.#bySlot.set(slot, current);
    this.#setAll(slot, code);
  }

  /** Empties a slot and gives it back. */
  remove(slot: number): void {
    this.#bySlot.get(slot)?.slots.delete(slot);
    this.#bySlot.delete(slot);
    this.#setAll(slot, null);
    this.#returned.push(slot);
  }

  #setAll(slot: number, code: unknown): void {
    this.#main.set(slot, code);
    for (const { table } of this.#generations) table.set(slot, code);
  }

  /** Empties all slots. */
  clear(): void {
    for (const slot of this.#bySlot.keys()) this.#setAll(slot, null);
    this.#bySlot.clear();
    for (const { slots } of this.#generations) slots.clear();
    this.#returned.length = 0;
    this.#untouched = this.#first;
  }
}
