/*
 * Six integer programs, run in turn. One image serves three hosts:
 *   Linux, and anything that offers Linux's write and exit by int 0x80: argv[1] holds the repetitions
 *   a multiboot loader: the command line holds them; output goes to the first serial port
 * For each program: 'B', then 'E' and the result in hexadecimal; at the end 'X'.
 */
typedef unsigned char u8;
typedef unsigned int u32;

enum { MULTIBOOT_MAGIC = 0x2badb002, MULTIBOOT_CMDLINE = 1 << 2, SERIAL_DATA = 0x3f8 };
enum { SYS_exit = 1, SYS_write = 4, STDOUT = 1 };

struct multiboot_info {
  u32 flags, mem_lower, mem_upper, boot_device;
  const char *cmdline;
};

__asm__(".section .multiboot, \"a\"\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".text\n"
        ".globl _start\n"
        "_start:\n"
        "  mov %esp, %ecx\n"
        "  mov $stack_top, %esp\n"
        "  push %ecx\n"
        "  push %ebx\n"
        "  push %eax\n"
        "  call guest_main\n"
        ".bss\n"
        ".balign 4096\n"
        ".skip 65536\n"
        "stack_top:\n"
        ".text\n");

static int multiboot;

static u32 linux_call(u32 nr, u32 a, const void *b, u32 c) {
  u32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}

static void put(char c) {
  if (multiboot)
    __asm__ volatile("outb %b0, %w1" : : "a"(c), "d"(SERIAL_DATA));
  else
    linux_call(SYS_write, STDOUT, &c, 1);
}

static void put_hex(u32 value) {
  for (int shift = 28; shift >= 0; shift -= 4)
    put("0123456789abcdef"[value >> shift & 15]);
}

static u32 seed = 12345;
static u32 next_random(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed;
}

/* Kept apart from its callers, as a library's routine would be. */
#define APART __attribute__((noipa))

static const u32 round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static u32 rotr(u32 x, int n) { return x >> n | x << (32 - n); }

static void sha256_block(u32 *state, const u8 *block) {
  u32 w[64];
  for (int i = 0; i < 16; i++)
    w[i] = (u32)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    u32 a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] + (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3];
  u32 e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    u32 t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
    u32 t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static u32 run_sha256(int times) {
  static u8 data[65536];
  u32 state[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (u32 i = 0; i < sizeof data; i++)
    data[i] = next_random() >> 24;
  while (times-- > 0)
    for (u32 i = 0; i < sizeof data; i += 64)
      sha256_block(state, data + i);
  return state[0];
}

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

/* Sorts so many thousand words, 200 at a time. */
static u32 run_qsort(int thousands) {
  enum { MOST = 200 };
  static u32 words[MOST * 1000];
  u32 sum = 0;
  for (int rest = thousands; rest > 0; rest -= MOST) {
    int count = (rest < MOST ? rest : MOST) * 1000;
    for (int i = 0; i < count; i++)
      words[i] = next_random();
    sort_words(words, count, compare_words);
    sum += words[777];
  }
  return sum;
}

static u32 run_sieve(int times) {
  enum { LIMIT = 2000000 };
  static u8 prime[LIMIT] __attribute__((aligned(4)));
  u32 count = 0;
  while (times-- > 0) {
    for (int i = 0; i < LIMIT; i += 4)
      *(u32 *)(prime + i) = 0x01010101;
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

static u32 run_list(int times) {
  enum { COUNT = 100000 };
  static struct node {
    struct node *next;
    int value;
  } nodes[COUNT];
  u32 sum = 0;
  for (int i = 0; i < COUNT; i++) {
    nodes[i].value = i;
    nodes[i].next = &nodes[(i * 7919u + 1) % COUNT];
  }
  while (times-- > 0) {
    struct node *p = nodes;
    for (int i = 0; i < COUNT; i++) {
      sum += p->value;
      p = p->next;
    }
  }
  return sum;
}

static APART u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static u32 run_fib(int times) {
  u32 sum = 0;
  while (times-- > 0)
    sum += fib(27);
  return sum;
}

static u32 run_bytecode(int times) {
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

static u32 (*const programs[])(int times) = {run_sha256, run_qsort, run_sieve,
                                                   run_list,   run_fib,   run_bytecode};

void guest_main(u32 magic, const struct multiboot_info *info, char *const *linux_stack) {
  multiboot = magic == MULTIBOOT_MAGIC;
  const char *times_text = multiboot ? (info->flags & MULTIBOOT_CMDLINE ? info->cmdline : "") : linux_stack[2];
  for (u32 i = 0; i < sizeof programs / sizeof *programs; i++) {
    int times = 0;
    while (*times_text >= '0' && *times_text <= '9')
      times = times * 10 + *times_text++ - '0';
    if (*times_text) times_text++;
    put('B');
    u32 result = programs[i](times);
    put('E');
    put_hex(result);
  }
  put('X');
  if (!multiboot) linux_call(SYS_exit, 0, 0, 0);
  for (;;)
    __asm__ volatile("pause");
}
