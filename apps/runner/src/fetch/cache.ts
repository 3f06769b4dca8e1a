import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MANIFEST = '.domu-manifest.json';
const CHUNK_BYTES = 1 << 20;

/** What a product was made of, and the checksums of its files. */
interface Manifest {
  readonly key: string;
  readonly packages: readonly string[];
  readonly sha256: Readonly<Record<string, string>>;
}

/** @param option --cache, or null */
export function cacheFolder(option: string | null, env: NodeJS.ProcessEnv = process.env): string {
  if (option !== null) return option;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'domu');
}

/** Whether a product is in its folder as it was made. @param key what it shall be made of */
export function isSound(folder: string, key: string): boolean {
  const file = join(folder, MANIFEST);
  if (!existsSync(file)) return false;
  try {
    const manifest: Manifest = JSON.parse(readFileSync(file, 'utf8'));
    return manifest.key === key && JSON.stringify(manifest.sha256) === JSON.stringify(checksums(folder));
  } catch {
    return false;
  }
}

/**
 * Makes a product in a folder of its own and puts it into place when it is complete: nothing half-made is ever there.
 * @param make fills an empty folder. @returns the packages that it used
 */
export async function makeProduct(
  folder: string,
  key: string,
  make: (empty: string) => Promise<readonly string[]>,
): Promise<void> {
  const unfinished = `${folder}.unfinished-${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    const packages = await make(unfinished);
    const manifest: Manifest = { key, packages, sha256: checksums(unfinished) };
    writeFileSync(join(unfinished, MANIFEST), JSON.stringify(manifest, null, 2));
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

function checksums(folder: string): Record<string, string> {
  const sums: Record<string, string> = {};
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (name === MANIFEST || stat.isDirectory()) continue;
    sums[name] = stat.isSymbolicLink() ? `-> ${readlinkSync(path)}` : sha256(path);
  }
  return sums;
}

function sha256(path: string): string {
  const hash = createHash('sha256');
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk))
      hash.update(chunk.subarray(0, read));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}
