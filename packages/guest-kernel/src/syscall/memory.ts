/** Calls about the address space. Source: mmap(2) and its neighbours. */
import { E } from '../abi/errno.ts';
import { O_ACCMODE, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import { RLIMIT_AS, RLIMIT_DATA } from '../abi/limits.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import { MAX_REGIONS, mapFixed, pageUp, placeRegion, setBrk } from '../mm/mapping.ts';
import { SharedZeros } from '../mm/sources.ts';
import { type PageSource, PROT_WRITE } from '../mm/vma.ts';
import { MMAP_MIN_ADDR } from '../mm/vma-list.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';

const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_SHARED_VALIDATE = 3;
const MAP_TYPE = 15;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_GROWSDOWN = 0x100;
const MAP_POPULATE = 0x8000;
const MAP_FIXED_NOREPLACE = 0x10_0000;
const PROT_KNOWN = 7;
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MS_SYNC = 4;
const MS_KNOWN = 7;
/** MS_ASYNC | MS_SYNC: not together. */
const MS_BOTH = 5;

interface MapRequest {
  readonly va: number;
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  readonly fd: number;
  readonly page: number;
}

function* map(task: Task, { va, length, prot, flags, fd, page }: MapRequest): Op<number> {
  const { memory } = task.process;
  if (length === 0) return -E.INVAL;
  const bytes = pageUp(length);
  const type = flags & MAP_TYPE;
  const shared = type === MAP_SHARED || type === MAP_SHARED_VALIDATE;
  if (!shared && type !== MAP_PRIVATE) return -E.INVAL;
  if (bytes > TASK_SIZE || memory.vmas.size >= MAX_REGIONS) return -E.NOMEM;
  if (!mayGrow(task, bytes)) return -E.NOMEM;
  const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  if (fixed && va % PAGE_SIZE !== 0) return -E.INVAL;
  if (fixed && va + bytes > TASK_SIZE) return -E.NOMEM;
  if (fixed && va < MMAP_MIN_ADDR) return -E.PERM;
  if (flags & MAP_FIXED_NOREPLACE && !memory.vmas.isFree(va, va + bytes)) return -E.EXIST;
  const source = flags & MAP_ANONYMOUS ? anonymous(task, shared) : fileSource(task, fd, shared, prot);
  if (typeof source === 'number') return source;
  const start = fixed ? va : placeRegion(memory, va, bytes);
  if (start < 0) return start;
  mapFixed(memory, {
    start,
    end: start + bytes,
    prot: prot & PROT_KNOWN,
    shared,
    mayWrite: !shared || source === null || mayWrite(task, flags, fd),
    growsDown: (flags & MAP_GROWSDOWN) !== 0,
    source,
    firstPage: page,
  });
  if (flags & MAP_POPULATE) yield* task.kernel.user.populate(start, bytes, (prot & PROT_WRITE) !== 0);
  return start;
}

/** RLIMIT_AS. */
export function mayGrow({ process }: Task, bytes: number): boolean {
  const [limit] = process.limits[RLIMIT_AS];
  return limit === Number.POSITIVE_INFINITY || process.memory.mappedBytes + bytes <= limit;
}

const mayWrite = (task: Task, flags: number, fd: number): boolean =>
  (flags & MAP_ANONYMOUS) !== 0 || ((task.files.get(fd | 0)?.flags ?? 0) & O_ACCMODE) === O_RDWR;

function anonymous(task: Task, shared: boolean): PageSource | null {
  return shared ? new SharedZeros(task.kernel.frames, task.kernel.ram) : null;
}

function fileSource(task: Task, fd: number, shared: boolean, prot: number): PageSource | null | number {
  const handle = task.files.get(fd | 0);
  if (handle === undefined) return -E.BADF;
  const access = handle.flags & O_ACCMODE;
  if (access === O_WRONLY) return -E.ACCES;
  if (shared && prot & PROT_WRITE && access !== O_RDWR) return -E.ACCES;
  if (task.kernel.isZeroDevice(handle)) return anonymous(task, shared);
  if (handle.inode?.page === undefined) return -E.NODEV;
  return task.kernel.sourceOf(handle, task.fs.root);
}

function munmap(task: Task, [va, length]: readonly number[]): number {
  const end = va + pageUp(length);
  if (va % PAGE_SIZE !== 0 || length === 0 || end > TASK_SIZE) return -E.INVAL;
  task.process.memory.unmap(va, end);
  return 0;
}

function mprotect(task: Task, [va, length, prot]: readonly number[]): number {
  if (va % PAGE_SIZE !== 0) return -E.INVAL;
  const end = va + pageUp(length);
  if (end > TASK_SIZE) return -E.NOMEM;
  if (length === 0) return 0;
  const { vmas } = task.process.memory;
  let at = va;
  while (at < end) {
    const vma = vmas.find(at);
    if (vma === null) break;
    if (vma.shared && prot & PROT_WRITE && !vma.mayWrite) return -E.ACCES;
    at = vma.end;
  }
  if (at > va) task.process.memory.protect(va, Math.min(at, end), prot & PROT_KNOWN);
  return at < end ? -E.NOMEM : 0;
}

/** The old form of mmap: its six arguments are in memory. */
function* oldMmap(task: Task, [va]: readonly number[]): Op<number> {
  const words: number[] = [];
  for (let i = 0; i < 6; i++) words.push(task.user.read32(va + 4 * i) ?? -1);
  if (words.includes(-1)) return -E.FAULT;
  const [at, length, prot, flags, fd, offset] = words;
  if (offset % PAGE_SIZE !== 0) return -E.INVAL;
  return yield* map(task, { va: at, length, prot, flags, fd, page: offset / PAGE_SIZE });
}

function mremap(task: Task, [va, oldLength, newLength, flags, wished]: readonly number[]): number {
  const { memory } = task.process;
  const [before, after] = [pageUp(oldLength), pageUp(newLength)];
  if (va % PAGE_SIZE !== 0 || after === 0 || after > TASK_SIZE) return -E.INVAL;
  if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) return -E.INVAL;
  const vma = memory.vmas.find(va);
  if (vma === null || va + before > vma.end) return -E.FAULT;
  if (after > before && !mayGrow(task, after - before)) return -E.NOMEM;
  if (flags & MREMAP_FIXED) {
    const overlaps = wished < va + before && va < wished + after;
    if (!(flags & MREMAP_MAYMOVE) || wished % PAGE_SIZE !== 0 || overlaps) return -E.INVAL;
    if (wished + after > TASK_SIZE) return -E.INVAL;
  } else {
    if (after < before) memory.unmap(va + after, va + before);
    if (after <= before) return va;
    const room = va + before === vma.end && va + after <= TASK_SIZE;
    if (room && memory.vmas.isFree(vma.end, va + after)) {
      vma.end = va + after;
      return va;
    }
    if (!(flags & MREMAP_MAYMOVE)) return -E.NOMEM;
  }
  const to =
    flags & MREMAP_FIXED ? wished : memory.vmas.findFree(after, va >= 0x4000_0000 ? 0xb7ff_f000 : TASK_SIZE);
  if (to < 0) return -E.NOMEM;
  return memory.move(va, before, to, after) ? to : -E.NOMEM;
}

function madvise(task: Task, [va, length, advice]: readonly number[]): number {
  if (va % PAGE_SIZE !== 0) return -E.INVAL;
  const end = va + pageUp(length);
  if (end > TASK_SIZE) return -E.INVAL;
  if (advice !== MADV_DONTNEED && advice !== MADV_FREE) return advice <= 25 ? 0 : -E.INVAL;
  for (const vma of [...task.process.memory.vmas]) {
    const [from, to] = [Math.max(va, vma.start), Math.min(end, vma.end)];
    if (from < to) task.process.memory.dropPages(from, to);
  }
  return 0;
}

function mincore(task: Task, [va, length, vecVa]: readonly number[]): number {
  if (va % PAGE_SIZE !== 0) return -E.INVAL;
  const pages = Math.ceil(length / PAGE_SIZE);
  if (va + length > TASK_SIZE) return -E.NOMEM;
  const out = new Uint8Array(pages);
  for (let i = 0; i < pages; i++) {
    const at = va + i * PAGE_SIZE;
    if (task.process.memory.vmas.find(at) === null) return -E.NOMEM;
    out[i] = task.process.memory.entry(at) & 1;
  }
  return task.user.write(vecVa, out) ? 0 : -E.FAULT;
}

function* msync(task: Task, [va, length, flags]: readonly number[]): Op<number> {
  if (va % PAGE_SIZE !== 0 || flags & ~MS_KNOWN || (flags & MS_BOTH) === MS_BOTH) return -E.INVAL;
  const end = va + pageUp(length);
  let covered = 0;
  const sources = new Set<PageSource>();
  for (const vma of task.process.memory.vmas) {
    if (vma.end <= va || vma.start >= end) continue;
    covered += Math.min(end, vma.end) - Math.max(va, vma.start);
    if (vma.shared && vma.source !== null) sources.add(vma.source);
  }
  let result = covered < end - va ? -E.NOMEM : 0;
  for (const source of sources) {
    source.collect?.();
    const synced = (flags & MS_SYNC) === 0 || source.sync === undefined ? 0 : yield* source.sync();
    if (synced < 0) result = synced;
  }
  return result;
}

export const memoryCalls: Readonly<Record<string, CallHandler>> = {
  brk: (task, [wished]) => {
    const { memory, limits } = task.process;
    if (wished > memory.brk && !mayGrow(task, pageUp(wished) - pageUp(memory.brk))) return memory.brk;
    return setBrk(memory, wished, limits[RLIMIT_DATA][0]);
  },
  mmap: oldMmap,
  mmap2: (task, [va, length, prot, flags, fd, page]) => map(task, { va, length, prot, flags, fd, page }),
  munmap,
  mprotect,
  mremap,
  madvise,
  mincore,
  msync,
  // Nothing is ever swapped out.
  mlock: () => 0,
  munlock: () => 0,
  mlockall: () => 0,
  munlockall: () => 0,
  mlock2: () => 0,
};
