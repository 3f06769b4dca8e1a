/** One program of the guest image (guest/main.c). */
export interface Program {
  readonly name: string;
  /** What it is, for the table. */
  readonly what: string;
  /** Repetitions of its work in a full run; the first nine as in the tables that these hosts are compared by. */
  readonly times: number;
  /** Repetitions of a quick run. */
  readonly quick: number;
}

/** All programs, in the order of the table. */
export const PROGRAMS: readonly Program[] = [
  { name: 'sha256', what: '12.5 MiB', times: 200, quick: 1 },
  { name: 'qsort', what: '200 000 words, comparison by pointer', times: 5, quick: 1 },
  { name: 'sieve', what: 'primes to 2 000 000', times: 8, quick: 1 },
  { name: 'list', what: 'linked list, 20 M hops', times: 200, quick: 1 },
  { name: 'matmul', what: '120 x 120, x87 doubles', times: 30, quick: 1 },
  { name: 'memory', what: 'memcpy + memset, 4 GiB in all', times: 2000, quick: 1 },
  { name: 'fib', what: 'recursive fib(27)', times: 60, quick: 1 },
  { name: 'bytecode', what: 'interpreter with a switch', times: 6_000_000, quick: 10_000 },
  { name: 'syscall', what: 'int 0x80, ring 3 to kernel and back', times: 400_000, quick: 1000 },
  { name: 'search', what: 'strings in 256 KiB of text', times: 10, quick: 1 },
  { name: 'lz', what: '512 KiB packed and unpacked', times: 20, quick: 1 },
  { name: 'json', what: '256 KiB parsed into a tree', times: 60, quick: 1 },
  { name: 'nbody', what: 'scalar SSE2 doubles', times: 200_000, quick: 1000 },
  { name: 'mandelbrot', what: 'packed SSE2 doubles', times: 10, quick: 1 },
  { name: 'tree', what: 'binary trees, recursion and allocation', times: 40, quick: 1 },
  { name: 'closures', what: 'interpreter with indirect calls', times: 1000, quick: 10 },
];
