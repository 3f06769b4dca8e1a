/*
 * Copying and filling as the GNU C library for i386 does: with string instructions where CPUID says that they are fast
 * (ERMS), else with 16-byte registers. So each host gets what a program on it would use.
 */
#include <emmintrin.h>
#include "../bench.h"

enum { BYTES = 1 << 20, ERMS = 1 << 9, FEATURES = 7 };

static u32 has_fast_strings(void) {
  u32 a = 0, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (a < FEATURES) return 0;
  a = FEATURES, c = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return b & ERMS;
}

static APART void copy_strings(u8 *to, const u8 *from, size count) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static APART void fill_strings(u8 *to, u8 byte, size count) {
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(byte) : "memory");
}

static APART void copy_vectors(u8 *to, const u8 *from, size count) {
  for (const u8 *end = from + count; from < end; from += 64, to += 64) {
    __m128i a = _mm_loadu_si128((const __m128i *)from), b = _mm_loadu_si128((const __m128i *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(from + 32)), d = _mm_loadu_si128((const __m128i *)(from + 48));
    _mm_store_si128((__m128i *)to, a);
    _mm_store_si128((__m128i *)(to + 16), b);
    _mm_store_si128((__m128i *)(to + 32), c);
    _mm_store_si128((__m128i *)(to + 48), d);
  }
}

static APART void fill_vectors(u8 *to, u8 byte, size count) {
  __m128i pattern = _mm_set1_epi8(byte);
  for (u8 *end = to + count; to < end; to += 64) {
    _mm_store_si128((__m128i *)to, pattern);
    _mm_store_si128((__m128i *)(to + 16), pattern);
    _mm_store_si128((__m128i *)(to + 32), pattern);
    _mm_store_si128((__m128i *)(to + 48), pattern);
  }
}

u32 run_memory(u32 times) {
  static u8 a[BYTES] __attribute__((aligned(64))), b[BYTES] __attribute__((aligned(64)));
  u32 strings = has_fast_strings();
  for (u32 k = 0; k < times; k++) {
    (strings ? copy_strings : copy_vectors)(b, a, BYTES);
    (strings ? fill_strings : fill_vectors)(a, k, BYTES);
  }
  return hash(0, b, BYTES) ^ hash(0, a, BYTES);
}
