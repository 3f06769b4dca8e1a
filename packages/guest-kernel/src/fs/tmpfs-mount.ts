/** What mount -t tmpfs, ramfs, devtmpfs and devpts make. */
import { E } from '../abi/errno.ts';
import type { Op } from '../task/wait.ts';
import { Tmpfs } from './tmpfs.ts';
import type { FileSystem } from './types.ts';
import type { Vfs } from './vfs.ts';

interface TmpfsOptions {
  readonly maxBytes: number;
  readonly maxInodes: number;
  readonly mode: number;
}

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** "size=10%,nr_inodes=1k,mode=755". @returns undefined for what is not understood (-EINVAL) */
export function parseTmpfsOptions(
  data: string,
  defaults: { readonly maxBytes: number; readonly maxInodes: number },
): TmpfsOptions | undefined {
  let { maxBytes, maxInodes } = defaults;
  let mode = 0o1777;
  for (const option of data.split(',').filter((part) => part !== '')) {
    const [key, value = ''] = option.split('=', 2);
    const number = /^(\d+)([kmg%]?)$/i.exec(value);
    const count =
      number === null
        ? undefined
        : number[2] === '%'
          ? (Number(number[1]) * 2 * defaults.maxBytes) / 100
          : Number(number[1]) * SUFFIXES[number[2]!.toLowerCase()]!;
    if (key === 'size' && count !== undefined) maxBytes = count || Number.MAX_SAFE_INTEGER;
    else if (key === 'nr_blocks' && count !== undefined) maxBytes = count * 4096;
    else if (key === 'nr_inodes' && count !== undefined) maxInodes = count || Number.MAX_SAFE_INTEGER;
    else if (key === 'mode' && /^[0-7]+$/.test(value)) mode = Number.parseInt(value, 8) & 0o7777;
    else if (key !== 'uid' && key !== 'gid') return undefined;
  }
  return { maxBytes, maxInodes, mode };
}

export function addTmpfsTypes(
  vfs: Vfs,
  defaults: { readonly maxBytes: number; readonly maxInodes: number },
): void {
  for (const type of ['tmpfs', 'ramfs']) {
    vfs.fileSystemTypes.set(type, {
      needsDevice: false,
      *mount(_walker, _source, data): Op<FileSystem | number> {
        const options = parseTmpfsOptions(data, defaults);
        if (options === undefined) return -E.INVAL;
        const told = data === '' ? '' : data;
        return new Tmpfs({ type, dev: vfs.anonymousDev(), now: vfs.now, options: told, ...options });
      },
    });
  }
}

/** File systems of which there is one: mounting them shows the same again. */
export function addSingles(vfs: Vfs, singles: readonly FileSystem[]): void {
  for (const single of singles) {
    vfs.fileSystemTypes.set(single.type, {
      needsDevice: false,
      *mount(): Op<FileSystem> {
        return single;
      },
    });
  }
}
