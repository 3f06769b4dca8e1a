#include "../bench.h"

static int compare_words(const void *a, const void *b) {
  u32 x = *(const u32 *)a, y = *(const u32 *)b;
  return x < y ? -1 : x > y;
}

static void swap(u32 *a, u32 *b) {
  u32 held = *a;
  *a = *b;
  *b = held;
}

/* Quicksort around the median of three, insertion sort for what is short; the shorter part first. */
static APART void sort_words(u32 *a, int n, int (*compare)(const void *, const void *)) {
  while (n > 8) {
    u32 *middle = a + n / 2, *last = a + n - 1;
    if (compare(middle, a) < 0) swap(middle, a);
    if (compare(last, a) < 0) swap(last, a);
    if (compare(last, middle) < 0) swap(last, middle);
    u32 pivot = *middle;
    int i = 0, j = n - 1;
    while (i <= j) {
      while (compare(a + i, &pivot) < 0) i++;
      while (compare(&pivot, a + j) < 0) j--;
      if (i <= j) swap(a + i++, a + j--);
    }
    if (j + 1 < n - i) {
      sort_words(a, j + 1, compare);
      a += i, n -= i;
    } else {
      sort_words(a + i, n - i, compare);
      n = j + 1;
    }
  }
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && compare(a + j, a + j - 1) < 0; j--)
      swap(a + j, a + j - 1);
}

u32 run_qsort(u32 times) {
  enum { COUNT = 200000 };
  static u32 words[COUNT];
  u32 sum = 0;
  while (times-- > 0) {
    for (int i = 0; i < COUNT; i++)
      words[i] = next_random();
    sort_words(words, COUNT, compare_words);
    sum += words[777];
  }
  return sum;
}
