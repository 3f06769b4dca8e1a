/* Chooses a program by "run=NAME:TIMES" on the command line; marks its begin and end on the console. */
#include "kernel.h"

static const struct program programs[] = {
    {"sha256", run_sha256}, {"qsort", run_qsort},   {"sieve", run_sieve},       {"list", run_list},
    {"matmul", run_matmul}, {"memory", run_memory}, {"fib", run_fib},           {"bytecode", run_bytecode},
    {"syscall", run_syscall}, {"search", run_search}, {"lz", run_lz},           {"json", run_json},
    {"nbody", run_nbody},   {"mandelbrot", run_mandelbrot}, {"tree", run_tree}, {"closures", run_closures},
};

static char command_line[256];
void (*console_write)(const char *text, size count);
void (*power_off)(void);
u32 kernel_data_selector;

void set_command_line(const char *text) {
  for (u32 i = 0; i + 1 < sizeof command_line && text[i]; i++)
    command_line[i] = text[i];
}

/* The kernels' side of int 0x80. */
void serve_call(struct registers *regs) {
  switch (regs->eax) {
  case SYS_write:
    console_write((const char *)regs->ecx, regs->edx);
    regs->eax = regs->edx;
    break;
  case SYS_getppid: regs->eax = 1; break;
  case SYS_exit: power_off(); break;
  default: regs->eax = -38; /* ENOSYS */
  }
}

void die(void) {
  static const char text[] = "FAULT\n";
  console_write(text, sizeof text - 1);
  power_off();
}

static void say(const char *text) {
  size count = 0;
  while (text[count]) count++;
  u32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(SYS_write), "b"(1), "c"(text), "d"(count) : "memory");
}

static void leave(void) {
  u32 result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(SYS_exit), "b"(0) : "memory");
}

/* @returns what follows `prefix` if `text` starts with it, else 0 */
static const char *after(const char *text, const char *prefix) {
  while (*prefix)
    if (*text++ != *prefix++) return 0;
  return text;
}

static const char *choice(void) {
  for (const char *at = command_line; *at; at++)
    if (after(at, "run=")) return after(at, "run=");
  return "";
}

static void run(const struct program *program, const char *digits) {
  u32 times = 0;
  while (*digits >= '0' && *digits <= '9')
    times = times * 10 + *digits++ - '0';
  static char end[] = "END 00000000\n";
  say("BEGIN\n");
  u32 result = program->run(times);
  for (u32 i = 0; i < 8; i++)
    end[4 + i] = "0123456789abcdef"[result >> (28 - 4 * i) & 15];
  say(end);
}

void main_program(void) {
  const char *wanted = choice();
  for (u32 i = 0; i < sizeof programs / sizeof *programs; i++) {
    const char *rest = after(wanted, programs[i].name);
    if (rest && *rest == ':') run(&programs[i], rest + 1);
  }
  leave();
  for (;;) {}
}

/* A Linux process: the kernel is there. `stack`: argc, argv[0], argv[1]. */
void linux_main(char *const *stack) {
  if (stack[2]) set_command_line(stack[2]);
  main_program();
}
