/** /proc. */
import { PROC_SUPER_MAGIC } from '../../abi/mount.ts';
import { type SyntheticDirectory, SyntheticFs } from '../synthetic.ts';
import type { Vfs } from '../vfs.ts';
import { kernelFiles } from './kernel-files.ts';
import type { KernelView } from './kernel-view.ts';
import { processDirectory } from './process-files.ts';

/** Where the processes begin in listings of the root. */
const FIRST_PROCESS_COOKIE = 1000;

/** What the file side knows of disks. */
export interface DiskView {
  /** Whole disks and partitions, in 1 KiB blocks. */
  readonly entries: readonly {
    readonly name: string;
    readonly major: number;
    readonly minor: number;
    readonly sectors: number;
  }[];
}

const NO_DISKS: DiskView = { entries: [] };

export function makeProcfs(vfs: Vfs, kernel: KernelView, disks: DiskView = NO_DISKS): SyntheticFs {
  const partitions = () => {
    const lines = disks.entries.map(
      ({ major, minor, sectors, name }) =>
        `${String(major).padStart(4)}  ${String(minor).padStart(7)} ${String(Math.floor(sectors / 2)).padStart(10)} ${name}\n`,
    );
    return `major minor  #blocks  name\n\n${lines.join('')}`;
  };
  const files = kernelFiles(kernel, {
    filesystems: () =>
      [...vfs.fileSystemTypes]
        .map(([name, { needsDevice }]) => `${needsDevice ? '' : 'nodev'}\t${name}\n`)
        .join(''),
    partitions,
    diskstats: () =>
      disks.entries
        .map(
          ({ major, minor, name }) =>
            `${String(major).padStart(4)} ${String(minor).padStart(7)} ${name} 0 0 0 0 0 0 0 0 0 0 0\n`,
        )
        .join(''),
  });
  const root: SyntheticDirectory = {
    kind: 'directory',
    *names() {
      yield* Object.keys(files);
      for (const pid of kernel.pids()) yield String(pid);
    },
    cookie: (name) => (/^\d+$/.test(name) ? FIRST_PROCESS_COOKIE + Number(name) : undefined),
    find: (name) => {
      if (Object.hasOwn(files, name)) return files[name];
      if (!/^[1-9]\d*$/.test(name)) return undefined;
      const process = kernel.process(Number(name)) ?? kernel.processOfThread(Number(name));
      return process && processDirectory(kernel, process);
    },
  };
  return new SyntheticFs('proc', PROC_SUPER_MAGIC, vfs.anonymousDev(), vfs.now, root);
}
