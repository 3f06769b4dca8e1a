#ifndef BENCH_H
#define BENCH_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u32 size;

/* Kept apart from its callers, as a library's routine would be. */
#define APART __attribute__((noipa))

/* Linux's numbers, served by all three kernels. */
enum { SYS_exit = 1, SYS_write = 4, SYS_getppid = 64 };

/* support.c: what programs may call */
u32 next_random(void);
u32 hash(u32 so_far, const void *bytes, size count);
void *memcpy(void *to, const void *from, size count);
void *memset(void *to, int byte, size count);
int memcmp(const void *a, const void *b, size count);
static inline u32 system_call_0(u32 nr) {
  u32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr) : "memory");
  return result;
}

/* A program does its work so many times, and says what it computed. */
struct program {
  const char *name;
  u32 (*run)(u32 times);
};

#define DECLARE(name) u32 run_##name(u32 times)
DECLARE(sha256); DECLARE(qsort); DECLARE(sieve); DECLARE(list); DECLARE(matmul); DECLARE(memory); DECLARE(fib);
DECLARE(bytecode); DECLARE(syscall); DECLARE(search); DECLARE(lz); DECLARE(json); DECLARE(nbody); DECLARE(mandelbrot);
DECLARE(tree); DECLARE(closures);
#endif
