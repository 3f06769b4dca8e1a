#include "../bench.h"

u32 run_sieve(u32 times) {
  enum { LIMIT = 2000000 };
  static u8 prime[LIMIT];
  u32 count = 0;
  while (times-- > 0) {
    memset(prime, 1, LIMIT);
    count = 0;
    for (int i = 2; i < LIMIT; i++)
      if (prime[i]) {
        count++;
        for (int j = i * 2; j < LIMIT; j += i)
          prime[j] = 0;
      }
  }
  return count;
}
