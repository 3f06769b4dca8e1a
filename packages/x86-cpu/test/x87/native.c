/* Runs x87 instructions on this processor: reads requests from standard input, writes responses to standard output.
   Request, 128 bytes: control word, status word (16 bits each), tags (a bit per ST(i) in use), code length, EFLAGS
   bits 0-7, 0, code[8], ST(0..7) of 10 bytes, memory operand[16], 0... The code addresses its operand by ESI.
   Response, 112 bytes: control word, status word, full tag word, vector or 0, EFLAGS bits 0-7, 0, AX, 0[4],
   ST(0..7), memory operand[16]. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct request { uint16_t cw, sw; uint8_t tags, length, flags, pad; uint8_t code[8], st[80], memory[16], rest[16]; };
struct response { uint16_t cw, sw, tags; uint8_t vector, flags; uint16_t ax, pad[3]; uint8_t st[80], memory[16]; };
struct environment { uint32_t cw, sw, tags, fip, fcs, fdp, fds; uint8_t st[80]; };

static sigjmp_buf jump;
static void trapped(int signal) { siglongjmp(jump, signal); }

static struct environment in, out;
static uint8_t operand[32];
static uint32_t eflags, eax, saved;
static uint8_t *code;

static void emit(uint8_t **p, const void *bytes, int n) { memcpy(*p, bytes, n); *p += n; }
static void emit32(uint8_t **p, uint8_t op, uint8_t modrm, const void *address) {
  uint8_t bytes[6] = {op, modrm}; uint32_t a = (uint32_t)address; memcpy(bytes + 2, &a, 4); emit(p, bytes, 6);
}

/* pusha; frstor [in]; mov esi, operand; mov eax, 0x1234; push [eflags]; popf; <code>; pushf; pop [eflags]; mov [eax]; popa; ret */
static void build(const struct request *r) {
  uint8_t *p = code; uint32_t a;
  emit(&p, "\x60", 1); emit32(&p, 0xdd, 0x25, &in);
  a = (uint32_t)operand; emit(&p, "\xbe", 1); emit(&p, &a, 4);
  a = 0x1234; emit(&p, "\xb8", 1); emit(&p, &a, 4);
  emit32(&p, 0xff, 0x35, &eflags); emit(&p, "\x9d", 1);
  emit(&p, r->code, r->length);
  emit(&p, "\x9c", 1); emit32(&p, 0x8f, 0x05, &eflags);
  emit32(&p, 0x89, 0x05, &eax); emit(&p, "\x61\xc3", 2);
}

int main(void) {
  struct request r; struct response o; uint8_t last[9] = {0};
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_handler = trapped, .sa_flags = SA_NODEFER};
  sigaction(SIGFPE, &action, 0); sigaction(SIGILL, &action, 0); sigaction(SIGSEGV, &action, 0);
  (void)saved;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    if (memcmp(last, r.code, 8) || last[8] != r.length) { build(&r); memcpy(last, r.code, 8); last[8] = r.length; }
    memset(&in, 0xff, 28); in.cw = r.cw | 0xffff0000; in.sw = r.sw | 0xffff0000; in.fip = in.fcs = in.fdp = 0;
    uint16_t tags = 0; int top = r.sw >> 11 & 7;
    for (int i = 0; i < 8; i++) if (!(r.tags >> i & 1)) tags |= 3 << 2 * (top + i & 7);
    in.tags = tags | 0xffff0000;
    memcpy(in.st, r.st, 80); memcpy(operand, r.memory, 16);
    memset(&o, 0, sizeof o);
    eflags = 0x202 | r.flags; eax = 0;
    int signal = sigsetjmp(jump, 0);
    if (signal == 0) {
      __asm__ volatile("call *%0" : : "r"(code) : "memory", "cc");
      __asm__ volatile("fnsave %0" : "=m"(out));
      o.vector = 0; o.flags = eflags & 0xd5; o.ax = eax;
    } else {
      __asm__ volatile("fnsave %0" : "=m"(out));
      o.vector = signal == SIGFPE ? 16 : signal == SIGILL ? 6 : 13;
    }
    o.cw = out.cw; o.sw = out.sw; o.tags = out.tags; memcpy(o.st, out.st, 80); memcpy(o.memory, operand, 16);
    if (o.vector == 16) o.cw = r.cw, o.sw = r.sw | 0x8080, memcpy(o.st, r.st, 80), o.tags = tags;
    fwrite(&o, sizeof o, 1, stdout);
  }
  return 0;
}
