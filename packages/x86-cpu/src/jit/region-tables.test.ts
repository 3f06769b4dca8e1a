import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { I32, i32 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { RegionTables } from './region-tables.ts';

const SLOTS = 512;
/** Places after the first that are never taken. */
const EXTRA = 1;

/** A module as regions have it: it imports a memory and a table. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importTable('regions');
  const fn = module.function([], [I32], 'r');
  fn.ret(i32(7));
  fn.unreachable();
  return module.bytes();
}

/** A function alone. */
function nothing(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.function([], [], 'r');
  return module.bytes();
}

/** Makes instances one by one in slots of their own. */
class Maker {
  readonly main: WebAssembly.Table = new WebAssembly.Table({ initial: SLOTS, element: 'anyfunc' });
  readonly tables: RegionTables = new RegionTables(this.main, EXTRA);
  readonly slots: number[] = [];
  collected = 0;
  readonly #bytes = moduleBytes();
  readonly #memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  readonly #registry = new FinalizationRegistry<null>(() => {
    this.collected++;
  });

  make(length = 1000): WebAssembly.Table {
    const regions = this.tables.next(length);
    const e = { memory: this.#memory, regions };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(this.#bytes), { e });
    this.#registry.register(instance, null);
    const slot = this.tables.take();
    this.tables.set(slot, instance.exports.r);
    this.slots.push(slot);
    return regions;
  }
  removeOldest(): void {
    this.tables.remove(this.slots.shift()!);
  }
}

describe('tables of regions', () => {
  it('show every region to every module, also to those before it', () => {
    const maker = new Maker();
    const memory = { e: { memory: new WebAssembly.Memory({ initial: 1, maximum: 1 }) } };
    maker.main.set(0, new WebAssembly.Instance(new WebAssembly.Module(nothing()), memory).exports.r);
    const first = maker.make();
    expect(first.get(0)).toBe(maker.main.get(0));
    for (let i = 0; i < 300; i++) maker.make();
    const last = maker.make();
    expect(last).not.toBe(first);
    for (const slot of maker.slots) {
      for (const table of [first, last]) expect(table.get(slot)).toBe(maker.main.get(slot));
    }
    const [oldest] = maker.slots;
    maker.removeOldest();
    for (const table of [maker.main, first, last]) expect(table.get(oldest!)).toBeNull();
  });

  it('ask for the oldest regions to go when modules of many ages are still there', () => {
    const maker = new Maker();
    let asked = 0;
    // The first region of each age stays.
    for (let i = 0; i < 2000; i++) {
      for (let n = maker.tables.outdated; n > 0; n--) {
        maker.removeOldest();
        asked++;
      }
      maker.make(100_000);
      if (i % 64 !== 0) maker.tables.remove(maker.slots.pop()!);
    }
    expect(asked).toBeGreaterThan(10);
    expect(maker.slots.length).toBeLessThan(10);
  });

  it('give slots back', () => {
    const maker = new Maker();
    const { free } = maker.tables;
    expect(free).toBe(SLOTS - 1 - EXTRA);
    for (let i = 0; i < 10; i++) maker.make();
    maker.removeOldest();
    expect(maker.tables.free).toBe(free - 9);
    maker.tables.clear();
    expect(maker.tables.free).toBe(free);
  });

  it('keep no instance whose regions have gone', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const maker = new Maker();
    for (let i = 0; i < 1000; i++) {
      maker.make();
      if (maker.slots.length > 20) maker.removeOldest();
    }
    for (let i = 0; i < 20 && maker.collected < 850; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(maker.collected).toBeGreaterThan(850);
  });
});
