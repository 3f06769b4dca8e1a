/*
 * Runs one instruction per vector natively, from a given state of general, MMX and XMM registers, MXCSR and memory, and
 * writes the state after it. As in ../record/recorder.c a signal handler is the driver: it exchanges the state in the signal
 * frame, and TF makes the processor come back after one instruction.
 *
 * usage: recorder < INPUTS > OUTPUTS, streams of the structures below.
 * Build: gcc -m32 -O2 -static -fno-pie -no-pie -fno-stack-protector -mgeneral-regs-only.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { CODE = 0x6000, DATA = 0x9000, DATA_END = 0xb000, STACK = 0x70000000, WINDOW = 64, BEFORE = 16 };
enum { TF = 0x100, RF = 0x10000, FXSAVE_OFFSET = 112, MXCSR_OFFSET = 24, XMM_OFFSET = 160 };

struct state {
    uint32_t regs[8], eflags, mxcsr;
    uint64_t mm[8];
    uint8_t xmm[8][16];
    uint8_t memory[WINDOW];
} __attribute__((packed));
struct input {
    struct state state;
    uint32_t address;
    uint8_t length, code[15];
} __attribute__((packed));
struct output {
    struct state state;
    int16_t vector;
    uint16_t tags, top, completed;
    uint32_t cr2;
} __attribute__((packed));
struct legacy { uint32_t cw, sw, tag, ipoff, cssel, dataoff, datasel; uint8_t st[8][10]; } __attribute__((packed));

static const int slot[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };
static struct input in;
static struct output out;
static int running;

static int fill(void *to, size_t n)
{
    uint8_t *p = to;
    while (n) {
        ssize_t got = read(0, p, n);
        if (got <= 0) return 0;
        p += got;
        n -= got;
    }
    return 1;
}
static uint8_t buffer[1 << 20];
static size_t used;
static void flush(void)
{
    size_t at = 0;
    while (at < used) {
        ssize_t n = write(1, buffer + at, used - at);
        if (n <= 0) _exit(5);
        at += n;
    }
    used = 0;
}
static void emit(const void *from, size_t n)
{
    if (used + n > sizeof buffer) flush();
    memcpy(buffer + used, from, n);
    used += n;
}

/* The part of the window that lies in the data pages. */
static void window(uint32_t *start, uint32_t *end)
{
    *start = in.address - BEFORE < DATA ? DATA : in.address - BEFORE;
    *end = in.address - BEFORE + WINDOW > DATA_END ? DATA_END : in.address - BEFORE + WINDOW;
}

static void load(ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    struct legacy *l = (struct legacy *)uc->uc_mcontext.fpregs;
    uint8_t *fx = (uint8_t *)l + FXSAVE_OFFSET;
    uint32_t start, end;
    int i;
    if (!fill(&in, sizeof in)) { flush(); _exit(0); }
    memset((void *)CODE, 0xcc, 64);
    memcpy((void *)CODE, in.code, in.length);
    window(&start, &end);
    if (start < end) memcpy((void *)start, in.state.memory + (start - (in.address - BEFORE)), end - start);
    for (i = 0; i < 8; i++) g[slot[i]] = in.state.regs[i];
    g[REG_EIP] = CODE;
    g[REG_EFL] = in.state.eflags | TF;
    l->cw = 0xffff037f;
    l->sw = 0xffff0000;
    l->tag = 0xffffffff;
    for (i = 0; i < 8; i++) { memcpy(l->st[i], &in.state.mm[i], 8); l->st[i][8] = l->st[i][9] = 0; }
    memcpy(fx + MXCSR_OFFSET, &in.state.mxcsr, 4);
    memcpy(fx + XMM_OFFSET, in.state.xmm, sizeof in.state.xmm);
    running = 1;
}

static void store(const ucontext_t *uc, int sig)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    const struct legacy *l = (const struct legacy *)uc->uc_mcontext.fpregs;
    const uint8_t *fx = (const uint8_t *)l + FXSAVE_OFFSET;
    uint32_t start, end;
    int i;
    memset(&out, 0, sizeof out);
    for (i = 0; i < 8; i++) out.state.regs[i] = g[slot[i]];
    out.state.eflags = g[REG_EFL] & ~(TF | RF);
    memcpy(&out.state.mxcsr, fx + MXCSR_OFFSET, 4);
    memcpy(out.state.xmm, fx + XMM_OFFSET, sizeof out.state.xmm);
    out.top = (l->sw >> 11) & 7;
    out.tags = l->tag;
    for (i = 0; i < 8; i++) memcpy(&out.state.mm[(i + out.top) & 7], l->st[i], 8);
    window(&start, &end);
    memcpy(out.state.memory, in.state.memory, WINDOW);
    if (start < end) memcpy(out.state.memory + (start - (in.address - BEFORE)), (void *)start, end - start);
    if (start < end) memset((void *)start, 0, end - start);
    out.completed = sig == SIGTRAP && g[REG_TRAPNO] == 1;
    out.vector = out.completed ? -1 : g[REG_TRAPNO];
    out.cr2 = out.vector == 14 ? uc->uc_mcontext.cr2 : 0;
    emit(&out, sizeof out);
}

static void handler(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    asm volatile("pushl $0x202\n\tpopfl" ::: "cc", "memory");
    (void)info;
    if (running) store(uc, sig);
    load(uc);
}

int main(void)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_size = 1 << 16 };
    int i;
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    if (mmap((void *)CODE, 0x1000, all, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return 2;
    if (mmap((void *)DATA, DATA_END - DATA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 2;
    /* No vector may have its ESP here: the kernel would take it for a nested signal. */
    stack.ss_sp = mmap((void *)STACK, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (stack.ss_sp == MAP_FAILED) return 2;
    sigaltstack(&stack, NULL);
    sigemptyset(&action.sa_mask);
    for (i = 0; i < 5; i++) sigaction(signals[i], &action, NULL);
    raise(SIGTRAP);
    return 1;
}
