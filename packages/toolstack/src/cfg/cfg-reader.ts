import { quote, type Result } from '../result.ts';
import type { Setting } from './domain-config.ts';
import type { CfgFile, CfgValue } from './parser.ts';
import type { ConfigError } from './source.ts';

/** Keys of xl.cfg that mean nothing to a PV guest here, or nothing that matters; they draw no warning. */
const HARMLESS = new Set([
  'acpi',
  'apic',
  'cap',
  'cpu_weight',
  'cpuid',
  'cpus',
  'cpus_soft',
  'e820_host',
  'hap',
  'localtime',
  'max_grant_version',
  'max_maptrack_frames',
  'nomigrate',
  'pae',
  'pool',
  'rtc_timeoffset',
  'shadow_memory',
  'nestedhvm',
  'timer_mode',
  'tsc_mode',
  'viridian',
  'vnc',
  'sdl',
]);

/**
 * Takes typed values out of a parsed file. The first wrong one is kept in `error`; reading goes on with null, so that the
 * caller checks once, at the end.
 */
export class CfgReader {
  error: ConfigError | null = null;
  readonly #file: string;
  readonly #cfg: CfgFile;
  readonly #seen = new Set<string>();

  constructor(cfg: CfgFile, file: string) {
    this.#cfg = cfg;
    this.#file = file;
  }

  /** "guest.cfg:3:10: memory" */
  where(key: string, value: CfgValue | undefined = this.#cfg.get(key)): string {
    return value ? `${this.#file}:${value.at.line}:${value.at.column}: ${key}` : `${this.#file}: ${key}`;
  }

  string(key: string): Setting<string> | null {
    const value = this.#get(key);
    if (!value) return null;
    if (value.kind === 'string') return { value: value.text, where: this.where(key) };
    this.reject(key, 'a list; expected a single value');
    return null;
  }

  /** A decimal or 0x… number inside the range, both ends included. */
  integer(key: string, range: { min: number; max: number; unit: string }): Setting<number> | null {
    const text = this.string(key);
    if (!text) return null;
    const number = /^(?:0x[0-9a-fA-F]+|[0-9]+)$/.test(text.value) ? Number(text.value) : Number.NaN;
    const unit = range.unit === '' ? '' : ` ${range.unit}`;
    if (number >= range.min && number <= range.max) return { value: number, where: text.where };
    const problem = Number.isNaN(number) ? 'is not a number' : 'is out of range';
    this.reject(key, `${quote(text.value)} ${problem}; expected ${range.min} to ${range.max}${unit}`);
    return null;
  }

  choice<T extends string>(key: string, choices: readonly T[]): T | null {
    const text = this.string(key);
    if (!text) return null;
    const found = choices.find((choice) => choice === text.value);
    if (found === undefined)
      this.reject(key, `${quote(text.value)} is unknown; expected ${choices.join(', ')}`);
    return found ?? null;
  }

  /** A list of strings, each in a small syntax of its own. */
  specs<T>(key: string, parse: (spec: string) => Result<T>): Setting<T>[] {
    const value = this.#get(key);
    if (!value) return [];
    if (value.kind !== 'list') {
      this.reject(key, 'a string; expected a list of strings in [ ]');
      return [];
    }
    const found: Setting<T>[] = [];
    for (const item of value.items) {
      if (item.kind !== 'string') {
        this.reject(key, 'a list in the list; expected strings', item);
        return found;
      }
      const parsed = parse(item.text);
      if (!parsed.ok) {
        this.reject(key, `${quote(item.text)}: ${parsed.error}`, item);
        return found;
      }
      found.push({ value: parsed.value, where: this.where(key, item) });
    }
    return found;
  }

  /** Records what is wrong with a key's value, unless something was wrong before. */
  reject(key: string, message: string, value: CfgValue | undefined = this.#cfg.get(key)): void {
    this.error ??= { file: this.#file, position: value?.at ?? null, key, message };
  }

  /** The same for a setting that knows its place. */
  rejectAt(where: string, message: string): void {
    this.error ??= { file: where, position: null, key: null, message };
  }

  /** One warning for each key that nobody asked for. */
  leftovers(): string[] {
    return [...this.#cfg.keys()]
      .filter((key) => !this.#seen.has(key) && !HARMLESS.has(key))
      .map((key) => `${this.where(key)}: not supported here; ignored`);
  }

  #get(key: string): CfgValue | undefined {
    this.#seen.add(key);
    return this.#cfg.get(key);
  }
}
