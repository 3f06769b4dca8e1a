#include "../bench.h"

u32 run_bytecode(u32 times) {
  static const u8 program[] = {0, 1, 2, 3, 4, 0, 2, 1, 3, 5};
  u32 acc = 1, x = 7;
  while (times-- > 0)
    for (int pc = 0, running = 1; running;)
      switch (program[pc++]) {
      case 0: acc += x; break;
      case 1: x ^= acc >> 3; break;
      case 2: acc *= 3; break;
      case 3: x += 5; break;
      case 4: acc ^= x << 1; break;
      case 5: running = 0;
      }
  return acc;
}
