/* Searching text: Horspool's algorithm for some words, then a byte-wise automaton that counts words. */
#include "../bench.h"

enum { BYTES = 1 << 18 };
static u8 text[BYTES];

/* Lower-case words of 2 to 9 letters; vowels are frequent. */
static void write_text(void) {
  static const char letters[] = "etaoinshrdluetaoinsheaoiucmfwypvbgkjqxz";
  for (u32 i = 0; i < BYTES;) {
    for (u32 left = 2 + (next_random() >> 29); left > 0 && i < BYTES; left--)
      text[i++] = letters[(next_random() >> 16) % (sizeof letters - 1)];
    if (i < BYTES) text[i++] = ' ';
  }
}

static APART u32 count_matches(const u8 *word, u32 length) {
  u32 shift[256], found = 0;
  for (u32 i = 0; i < 256; i++)
    shift[i] = length;
  for (u32 i = 0; i + 1 < length; i++)
    shift[word[i]] = length - 1 - i;
  for (u32 at = 0; at + length <= BYTES;) {
    u8 last = text[at + length - 1];
    if (last == word[length - 1] && memcmp(text + at, word, length) == 0) found++;
    at += shift[last];
  }
  return found;
}

static APART u32 count_words(void) {
  u32 words = 0, inside = 0, vowels = 0;
  for (u32 i = 0; i < BYTES; i++) {
    u8 byte = text[i];
    if (byte == 'a' || byte == 'e' || byte == 'i' || byte == 'o' || byte == 'u') vowels++;
    if (byte == ' ') inside = 0;
    else if (!inside) inside = 1, words++;
  }
  return words * 31 + vowels;
}

u32 run_search(u32 times) {
  static const char *const words[] = {"the", "that", "e", "on", "other", "stone", "quixotic", "ease", " to ", "hidden"};
  write_text();
  u32 sum = 0;
  while (times-- > 0) {
    for (u32 i = 0; i < sizeof words / sizeof *words; i++) {
      u32 length = 0;
      while (words[i][length]) length++;
      sum = sum * 31 + count_matches((const u8 *)words[i], length);
    }
    sum = sum * 31 + count_words();
  }
  return sum;
}
