/* The Mandelbrot set, two points at a time in packed doubles. */
#include <emmintrin.h>
#include "../bench.h"

enum { SIDE = 160, MOST = 200 };

static APART u32 pair(double x, double step, double y) {
  __m128d cr = _mm_set_pd(x + step, x), ci = _mm_set1_pd(y);
  __m128d zr = _mm_setzero_pd(), zi = zr, four = _mm_set1_pd(4);
  __m128i inside = _mm_setzero_si128();
  for (u32 i = 0; i < MOST; i++) {
    __m128d rr = _mm_mul_pd(zr, zr), ii = _mm_mul_pd(zi, zi);
    __m128d still = _mm_cmplt_pd(_mm_add_pd(rr, ii), four);
    if (_mm_movemask_pd(still) == 0) break;
    inside = _mm_sub_epi32(inside, _mm_castpd_si128(still));
    zi = _mm_add_pd(_mm_mul_pd(_mm_add_pd(zr, zr), zi), ci);
    zr = _mm_add_pd(_mm_sub_pd(rr, ii), cr);
  }
  return _mm_cvtsi128_si32(inside) * 31 + _mm_cvtsi128_si32(_mm_srli_si128(inside, 8));
}

u32 run_mandelbrot(u32 times) {
  u32 sum = 0;
  const double step = 3.0 / SIDE;
  while (times-- > 0)
    for (u32 row = 0; row < SIDE; row++)
      for (u32 column = 0; column < SIDE; column += 2)
        sum = sum * 33 + pair(column * step - 2.2, step, row * step - 1.5);
  return sum;
}
