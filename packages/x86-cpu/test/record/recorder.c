/*
 * Runs each vector natively, one instruction at a time, and writes what the processor did.
 *
 * A signal handler is the driver: it takes the outcome of one vector from the signal frame, writes the state of the next
 * one into it, with TF set, and returns; the processor executes one instruction and traps or faults into the handler. The code pages
 * are filled with INT3, behind which an instruction that shows TF is run without it.
 *
 * Build: gcc -m32 -O2 -static -fno-pie -no-pie -fno-stack-protector. File formats: wire.ts; address space: layout.ts.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { CODE = 0x6000, CODE_END = 0x8000, DATA = 0x9000, DATA_END = 0xb000, IMAGE = DATA_END - CODE };
enum { TF = 0x100, RF = 0x10000, TRAP_DB = 1, TRAP_BP = 3, TRAP_OF = 4, USER_DATA = 0x2b };

struct ldt_entry { uint32_t base, limit, pages, kind, restricted, present, big; };
struct input { uint32_t regs[8], eip, eflags; uint16_t cs, ss, fs; uint8_t max_steps, patches; } __attribute__((packed));
struct output { uint32_t regs[8], eip, eflags, cr2; uint16_t selectors[6]; int16_t vector; uint16_t error, steps, changes; } __attribute__((packed));
struct patch { uint16_t address, length; } __attribute__((packed));

/* Signal frame registers in hardware order. */
static const int slot[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };

static const int segment_slot[6] = { REG_ES, REG_CS, REG_SS, REG_DS, REG_FS, REG_GS };

static uint32_t count;
static uint16_t own_gs;
static const uint8_t *image, *cursor;
static uint8_t before[IMAGE];
static uint8_t *code_alias, *out_start, *out, *out_end;
static const struct input *current;
static uint32_t done, steps;

static void write_at(uint32_t address, const uint8_t *from, uint32_t length)
{
    memcpy(address < DATA ? code_alias + (address - CODE) : (uint8_t *)address, from, length);
    memcpy(before + (address - CODE), from, length);
}

static void load(greg_t *g)
{
    int i;
    memcpy(code_alias, image, CODE_END - CODE);
    memcpy((void *)DATA, image + (DATA - CODE), DATA_END - DATA);
    memcpy(before, image, IMAGE);
    current = (const struct input *)cursor;
    cursor += sizeof *current;
    for (i = 0; i < current->patches; i++) {
        const struct patch *p = (const struct patch *)cursor;
        write_at(p->address, cursor + sizeof *p, p->length);
        cursor += sizeof *p + p->length;
    }
    for (i = 0; i < 8; i++) g[slot[i]] = current->regs[i];
    g[REG_EIP] = current->eip;
    g[REG_EFL] = current->eflags | (current->max_steps ? TF : 0);
    g[REG_CS] = current->cs;
    g[REG_SS] = current->ss;
    g[REG_FS] = current->fs;
    g[REG_DS] = g[REG_ES] = USER_DATA;
    g[REG_GS] = 0;
    steps = 0;
}

static uint16_t write_changes(void)
{
    uint16_t n = 0;
    uint32_t a = DATA;
    while (a < DATA_END) {
        uint32_t start = a;
        while (a < DATA_END && *(uint8_t *)a != before[a - CODE]) a++;
        if (a > start) {
            struct patch p = { start, a - start };
            memcpy(out, &p, sizeof p);
            memcpy(out + sizeof p, (void *)start, p.length);
            out += sizeof p + p.length;
            n++;
        } else
            a++;
    }
    return n;
}

static void store(const ucontext_t *uc, int vector)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    struct output *o = (struct output *)out;
    int i;
    if (out + 4 * IMAGE > out_end) _exit(4);
    out += sizeof *o;
    for (i = 0; i < 8; i++) o->regs[i] = g[slot[i]];
    for (i = 0; i < 6; i++) o->selectors[i] = g[segment_slot[i]];
    o->eip = g[REG_EIP];
    o->eflags = g[REG_EFL] & ~RF;
    o->vector = vector;
    o->error = vector < 0 ? 0 : g[REG_ERR];
    o->cr2 = vector == 14 ? uc->uc_mcontext.cr2 : 0;
    o->steps = steps;
    o->changes = write_changes();
}

static void finish(void)
{
    uint8_t *p = out_start;
    while (p < out) {
        ssize_t n = write(1, p, out - p);
        if (n <= 0) _exit(5);
        p += n;
    }
    _exit(0);
}

static void handler(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    asm volatile("pushl $0x202\n\tpopfl\n\tmovw %0, %%gs" :: "m"(own_gs) : "cc", "memory");
    (void)info;
    if (current) {
        int breakpoint = sig == SIGTRAP && g[REG_TRAPNO] == TRAP_BP && current->max_steps == 0;
        int completed = breakpoint || (sig == SIGTRAP && g[REG_TRAPNO] == TRAP_DB);
        if (breakpoint) g[REG_EIP]--;
        if (completed) {
            steps++;
            if (steps < current->max_steps && (uint32_t)g[REG_EIP] == current->eip) return;
        }
        if (!completed && (g[REG_TRAPNO] == TRAP_BP || g[REG_TRAPNO] == TRAP_OF)) steps++;
        store(uc, completed ? -1 : g[REG_TRAPNO]);
        if (++done == count) finish();
    }
    load(g);
}

static void set_ldt(const struct ldt_entry *e, uint32_t entries)
{
    uint32_t i;
    for (i = 0; i < entries; i++) {
        struct user_desc d = {
            .entry_number = i, .base_addr = e[i].base, .limit = e[i].limit, .seg_32bit = e[i].big, .contents = e[i].kind,
            .read_exec_only = e[i].restricted, .limit_in_pages = e[i].pages, .seg_not_present = !e[i].present, .useable = 1,
        };
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d)) { perror("modify_ldt"); exit(2); }
    }
}

static void *map(void *at, size_t length, int protection, int flags, int fd)
{
    void *p = mmap(at, length, protection, flags, fd, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(2); }
    return p;
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_size = 1 << 16 };
    const struct ldt_entry *ldt;
    uint32_t ldt_entries;
    FILE *in;
    long size;
    uint8_t *input;
    int fd, i;

    if (argc != 2 || !(in = fopen(argv[1], "rb"))) { fprintf(stderr, "usage: recorder INPUTS > OUTPUTS\n"); return 2; }
    fseek(in, 0, SEEK_END);
    size = ftell(in);
    rewind(in);
    input = malloc(size);
    if (fread(input, 1, size, in) != (size_t)size) return 2;
    count = ((uint32_t *)input)[0];
    ldt_entries = ((uint32_t *)input)[1];
    ldt = (const struct ldt_entry *)(input + 8);
    set_ldt(ldt, ldt_entries);
    image = (const uint8_t *)(ldt + ldt_entries);
    asm volatile("movw %%gs, %0" : "=m"(own_gs));
    cursor = image + IMAGE;

    fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, CODE_END - CODE)) return 2;
    map((void *)CODE, CODE_END - CODE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd);
    code_alias = map(NULL, CODE_END - CODE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    map((void *)DATA, DATA_END - DATA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    out_start = out = map(NULL, 256 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    out_end = out + (256 << 20);
    stack.ss_sp = map(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    sigaltstack(&stack, NULL);
    sigemptyset(&action.sa_mask);
    for (i = 0; i < 5; i++) sigaction(signals[i], &action, NULL);
    raise(SIGTRAP);
    return 1;
}
