/* Compression: LZ77 with a hash table of positions, byte-oriented tokens; then unpacked and compared. */
#include "../bench.h"

enum { BYTES = 1 << 19, HASH_BITS = 14, LEAST = 4, MOST = 4 + 255, WINDOW = 65535 };
static u8 plain[BYTES], packed[BYTES * 2], unpacked[BYTES];
static u32 last_seen[1 << HASH_BITS];

/* Log lines: much repeats, not everything. */
static void write_plain(void) {
  static const char *const parts[] = {"GET /index.html", "GET /images/logo.png", "POST /api/v1/orders", " 200 OK ",
                                      " 404 Not Found ",  "Mozilla/5.0 (X11; Linux)", "curl/7.88.1", " cache=hit "};
  for (u32 i = 0; i < BYTES;) {
    u32 random = next_random() >> 8;
    for (const char *part = parts[random % 8]; *part && i < BYTES;)
      plain[i++] = *part++;
    for (u32 digits = random >> 8 & 7; digits > 0 && i < BYTES; digits--)
      plain[i++] = '0' + (next_random() >> 24) % 10;
    if (i < BYTES) plain[i++] = '\n';
  }
}

static u32 word_at(const u8 *at) { return at[0] | at[1] << 8 | at[2] << 16 | (u32)at[3] << 24; }

/* A token: 0, count, literals; or 1 to 255 for length - 3, then the distance in two bytes. */
static u8 *put_literals(u8 *out, const u8 *from, u32 count) {
  while (count > 0) {
    u32 now = count < 255 ? count : 255;
    *out++ = 0;
    *out++ = now;
    count -= now;
    while (now-- > 0)
      *out++ = *from++;
  }
  return out;
}

static APART u32 pack(void) {
  u8 *out = packed;
  u32 at = 0, literals = 0;
  memset(last_seen, 0xff, sizeof last_seen);
  while (at + LEAST <= BYTES) {
    u32 word = word_at(plain + at);
    u32 *slot = &last_seen[word * 2654435761u >> (32 - HASH_BITS)];
    u32 before = *slot, length = 0;
    *slot = at;
    if (before != 0xffffffff && at - before <= WINDOW && word_at(plain + before) == word) {
      length = LEAST;
      while (length < MOST - 1 && at + length < BYTES && plain[before + length] == plain[at + length])
        length++;
    }
    if (length == 0) {
      at++, literals++;
      continue;
    }
    out = put_literals(out, plain + at - literals, literals);
    literals = 0;
    *out++ = length - 3;
    *out++ = at - before;
    *out++ = (at - before) >> 8;
    at += length;
  }
  out = put_literals(out, plain + at - literals, BYTES - at + literals);
  return out - packed;
}

static APART u32 unpack(u32 count) {
  const u8 *in = packed, *end = packed + count;
  u8 *out = unpacked;
  while (in < end) {
    u32 token = *in++;
    if (token == 0) {
      for (u32 left = *in++; left > 0; left--)
        *out++ = *in++;
      continue;
    }
    const u8 *from = out - (in[0] | in[1] << 8);
    in += 2;
    for (u32 left = token + 3; left > 0; left--)
      *out++ = *from++;
  }
  return out - unpacked;
}

u32 run_lz(u32 times) {
  write_plain();
  u32 sum = 0;
  while (times-- > 0) {
    u32 count = pack();
    if (unpack(count) != BYTES || memcmp(plain, unpacked, BYTES) != 0) return 0xbad;
    sum = sum * 31 + hash(count, packed, 64);
  }
  return sum;
}
