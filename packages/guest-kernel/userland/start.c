#include "lib.h"

/* Where the kernel enters: argc, argv and the environment lie on the stack. */
asm(".globl _start\n_start: movl %esp, %eax\n andl $-16, %esp\n pushl %eax\n pushl %eax\n pushl %eax\n pushl %eax\n call start\n");

asm(".globl syscall\nsyscall: pushl %ebp; pushl %edi; pushl %esi; pushl %ebx\n"
    "movl 20(%esp), %eax; movl 24(%esp), %ebx; movl 28(%esp), %ecx; movl 32(%esp), %edx; movl 36(%esp), %esi; movl 40(%esp), %edi\n"
    "int $0x80\n popl %ebx; popl %esi; popl %edi; popl %ebp; ret\n");

asm("restorer: movl $173, %eax; int $0x80\n");
extern void restorer(void);

char **environment;

__attribute__((used)) void start(u32 *stack)
{
    int argc = stack[0];
    char **argv = (char **)(stack + 1);
    environment = argv + argc + 1;
    int status = run_applet(argc, argv);
    flush();
    exit(status);
}

void on_signal(int signal, void (*handler)(int))
{
    struct { void (*handler)(int); u32 flags; void (*restorer)(void); u32 mask[2]; } action = { handler, 0x04000004, restorer, { 0, 0 } };
    syscall(SYS_rt_sigaction, signal, &action, NULL, 8);
}
