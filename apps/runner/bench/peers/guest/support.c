#include "bench.h"

static u32 seed = 12345;
u32 next_random(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed;
}

/* FNV-1a */
u32 hash(u32 so_far, const void *bytes, size count) {
  const u8 *at = bytes;
  while (count-- > 0)
    so_far = (so_far ^ *at++) * 16777619u;
  return so_far;
}

/* As small C libraries for i386 do it. */
void *memcpy(void *to, const void *from, size count) {
  void *at = to;
  size words = count / 4, rest = count % 4;
  __asm__ volatile("rep movsl\n mov %3, %2\n rep movsb"
                   : "+D"(at), "+S"(from), "+c"(words)
                   : "r"(rest)
                   : "memory");
  return to;
}

void *memset(void *to, int byte, size count) {
  void *at = to;
  size words = count / 4, rest = count % 4;
  __asm__ volatile("rep stosl\n mov %3, %1\n rep stosb"
                   : "+D"(at), "+c"(words)
                   : "a"((u8)byte * 0x01010101u), "r"(rest)
                   : "memory");
  return to;
}

int memcmp(const void *a, const void *b, size count) {
  const u8 *x = a, *y = b;
  for (; count > 0; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}
