import { ByteArena, Bytes } from './bytes.ts';
import type { ValType } from './expr.ts';
import { FunctionBuilder } from './function.ts';

interface ImportedFunction {
  readonly name: string;
  readonly type: number;
}

/** A WebAssembly module under construction: imports `e.memory`, functions and a table of `e`; has a table of its own. */
export class ModuleBuilder {
  readonly #arena: ByteArena = new ByteArena();
  readonly #types: string[] = [];
  readonly #typeBytes: Bytes[] = [];
  readonly #imports: ImportedFunction[] = [];
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: { name: string; kind: number; index: number }[] = [];
  #table: readonly number[] | null = null;
  #importedTable: string | null = null;

  type(params: readonly ValType[], results: readonly ValType[]): number {
    const key = `${params.join()}:${results.join()}`;
    const found = this.#types.indexOf(key);
    if (found >= 0) return found;
    const bytes = new Bytes(this.#arena);
    bytes.u8(0x60);
    bytes.leb(params.length);
    bytes.raw(params);
    bytes.leb(results.length);
    bytes.raw(results);
    this.#typeBytes.push(bytes);
    return this.#types.push(key) - 1;
  }

  /** Imports a function; all imports come before the first definition. */
  import(name: string, params: readonly ValType[], results: readonly ValType[]): number {
    if (this.#functions.length > 0) throw new Error('imports come before functions');
    return this.#imports.push({ name, type: this.type(params, results) }) - 1;
  }

  function(params: readonly ValType[], results: readonly ValType[], exportName?: string): FunctionBuilder {
    this.type(params, results);
    const index = this.#imports.length + this.#functions.length;
    const fn = new FunctionBuilder(index, params, results, this.#arena);
    this.#functions.push(fn);
    if (exportName) this.exportFunction(exportName, index);
    return fn;
  }

  exportFunction(name: string, index: number): void {
    this.#exports.push({ name, kind: 0x00, index });
  }
  exportTable(name: string, index: number): void {
    this.#exports.push({ name, kind: 0x01, index });
  }

  /** Imports a table, which becomes table 0. */
  importTable(name: string): void {
    this.#importedTable = name;
  }

  /** A table filled with these functions: number 0, or 1 after an imported one. @returns its number */
  table(functionIndices: readonly number[]): number {
    this.#table = functionIndices;
    return this.#importedTable === null ? 0 : 1;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const arena = this.#arena;
    const out = new Bytes(arena);
    out.raw([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    section(arena, out, 1, this.#typeBytes.length, (s) => {
      for (const t of this.#typeBytes) s.append(t);
    });
    const importedTable = this.#importedTable;
    section(arena, out, 2, this.#imports.length + 1 + (importedTable === null ? 0 : 1), (s) => {
      s.name('e');
      s.name('memory');
      s.raw([0x02, 0x00, 0x01]);
      if (importedTable !== null) {
        s.name('e');
        s.name(importedTable);
        s.raw([0x01, 0x70, 0x00, 0x01]);
      }
      for (const i of this.#imports) {
        s.name('e');
        s.name(i.name);
        s.u8(0);
        s.leb(i.type);
      }
    });
    section(arena, out, 3, this.#functions.length, (s) => {
      for (const f of this.#functions) s.leb(this.type(f.params, f.results));
    });
    const table = this.#table;
    if (table) {
      section(arena, out, 4, 1, (s) => {
        s.raw([0x70, 0x00]);
        s.leb(table.length);
      });
    }
    section(arena, out, 7, this.#exports.length, (s) => {
      for (const e of this.#exports) {
        s.name(e.name);
        s.u8(e.kind);
        s.leb(e.index);
      }
    });
    if (table) {
      section(arena, out, 9, 1, (s) => {
        if (importedTable === null) s.raw([0x00, 0x41, 0x00, 0x0b]);
        else s.raw([0x02, 0x01, 0x41, 0x00, 0x0b, 0x00]);
        s.leb(table.length);
        for (const f of table) s.leb(f);
      });
    }
    section(arena, out, 10, this.#functions.length, (s) => {
      for (const f of this.#functions) {
        const body = functionBody(arena, f);
        s.leb(body.length);
        s.append(body);
      }
    });
    return out.view().slice();
  }
}

function section(arena: ByteArena, out: Bytes, id: number, count: number, fill: (s: Bytes) => void): void {
  const s = new Bytes(arena);
  s.leb(count);
  fill(s);
  out.u8(id);
  out.leb(s.length);
  out.append(s);
}

function functionBody(arena: ByteArena, f: FunctionBuilder): Bytes {
  const runs: { type: ValType; count: number }[] = [];
  for (const type of f.locals) {
    const last = runs[runs.length - 1];
    if (last && last.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  const body = new Bytes(arena);
  body.leb(runs.length);
  for (const r of runs) {
    body.leb(r.count);
    body.u8(r.type);
  }
  if (f.prologue) body.append(f.prologue);
  let done = 0;
  for (const { at, code } of f.gaps) {
    body.append(f.code, done, at);
    body.append(code);
    done = at;
  }
  body.append(f.code, done);
  body.u8(0x0b);
  return body;
}
