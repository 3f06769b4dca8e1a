import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import { Progress } from '../terminal/progress.ts';
import { UserError } from '../user-error.ts';
import { Apt } from './apt.ts';
import { cacheFolder, isSound, makeProduct } from './cache.ts';
import type { Fetchable } from './command.ts';
import { type Recipe, recipeOf } from './products.ts';

/** What `domu fetch` was asked. */
export interface FetchOptions {
  readonly what: Fetchable;
  readonly cache: string | null;
  readonly packages: readonly string[];
  readonly force: boolean;
}

/**
 * `domu fetch`: prints the path of what it has made.
 * @returns the exit code
 * Errors: UserError, which says what to do
 */
export async function fetch(options: FetchOptions, io: HostIo): Promise<number> {
  const recipe = recipeOf(options.what, options.packages);
  const cache = resolve(cacheFolder(options.cache));
  const folder = join(cache, options.what);
  const key = JSON.stringify([recipe.version, recipe.packages]);
  if (options.force || !isSound(folder, key)) await make(recipe, { cache, folder, key }, io);
  io.stdout.write(`${join(folder, recipe.result)}\n`);
  return EXIT_OK;
}

async function make(
  recipe: Recipe,
  { cache, folder, key }: { readonly cache: string; readonly folder: string; readonly key: string },
  io: HostIo,
): Promise<void> {
  const progress = new Progress(io.stderr);
  const interruption = new AbortController();
  const stopSignals = io.onSignal(() => interruption.abort());
  const { signal } = interruption;
  try {
    makeFolder(cache);
    const { architecture } = recipe;
    const apt = new Apt({
      state: join(cache, `apt-${architecture}`),
      architecture,
      onProgress: (step, fraction) => progress.show(step, fraction),
      signal,
    });
    progress.show('looking for packages', null);
    const archives = await apt.download(recipe.packages);
    progress.show(`unpacking ${archives.length} packages`, null);
    await makeProduct(folder, key, async (empty) => {
      await recipe.make(archives, empty, signal);
      return archives.map(({ name }) => name);
    });
  } finally {
    stopSignals();
    progress.end();
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new UserError(`${folder} cannot be made (${reason}); name another folder with --cache`);
  }
}
