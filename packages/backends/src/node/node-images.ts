import { dirname, resolve } from 'node:path';
import type { ImageFiles } from '@domu/backends';
import { NodeFile } from './node-file.ts';

/**
 * Images in files of this host. A backing file is looked for beside the image that names it.
 * Errors: the user's own file throws what node:fs throws; a backing file's is told in words
 */
export class NodeImages implements ImageFiles {
  /** Paths of the files that are open, by identity. */
  readonly #paths: Map<string, string> = new Map();

  open(
    name: string,
    from: string | null,
    options: { readonly readonly: boolean },
  ): { readonly file: NodeFile; readonly identity: string } | string {
    const above = from === null ? undefined : this.#paths.get(from);
    const path = above === undefined ? resolve(name) : resolve(dirname(above), name);
    try {
      const file = new NodeFile(path, options);
      this.#paths.set(file.identity, path);
      return { file, identity: file.identity };
    } catch (error) {
      if (from === null || !(error instanceof Error)) throw error;
      return `backing file ${path}: ${'code' in error ? String(error.code) : error.message}`;
    }
  }
}
