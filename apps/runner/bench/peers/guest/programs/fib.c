#include "../bench.h"

static APART u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

u32 run_fib(u32 times) {
  u32 sum = 0;
  while (times-- > 0)
    sum += fib(27);
  return sum;
}
