#ifndef KERNEL_H
#define KERNEL_H
#include "bench.h"

/* What system_call in start.S pushes, lowest address first. */
struct registers {
  u32 edi, esi, ebp, esp, ebx, edx, ecx, eax, ds, es;
};

extern u8 kernel_stack_top[], image_end[], hypercall_page[];
extern u32 kernel_data_selector;
void enter_user(u32 code_selector, u32 data_selector) __attribute__((noreturn));
void system_call(void);

/* Of the host that runs: a text for its console, and its end. */
extern void (*console_write)(const char *text, size count);
extern void (*power_off)(void);

/* Copies the command line, where the program's name is, to where programs can read it. */
void set_command_line(const char *text);
void main_program(void) __attribute__((noreturn));
#endif
