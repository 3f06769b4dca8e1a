import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OTHERS_MAY = 0o077;

/** Where the sockets of running machines are: DOMU_RUNTIME_DIR, or a folder of the user's own. */
export function runtimeDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DOMU_RUNTIME_DIR) return env.DOMU_RUNTIME_DIR;
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'domu');
  return join(tmpdir(), `domu-${process.getuid?.() ?? 'user'}`);
}

/** Makes the folder for sockets. @returns null, or why it cannot be used: in /tmp anybody may have made it before us */
export function makeRuntimeDir(dir: string): string | null {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(dir);
    if (!lstatSync(dir).isDirectory()) return `${dir} is not a directory`;
    if (process.getuid && uid !== process.getuid()) return `${dir} belongs to somebody else`;
    if ((mode & OTHERS_MAY) !== 0) chmodSync(dir, 0o700);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @returns the socket of the `n`th machine of a process */
export function socketPath(dir: string, pid: number, n: number): string {
  return join(dir, `${pid}-${n}.sock`);
}

/** The sockets in the folder, living or not. */
export function socketPaths(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => /^\d+-\d+\.sock$/.test(name))
      .sort(new Intl.Collator('en', { numeric: true }).compare)
      .map((name) => join(dir, name));
  } catch {
    return [];
  }
}
