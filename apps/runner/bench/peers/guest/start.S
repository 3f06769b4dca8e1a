/* Entries of the three hosts, and the one way from a program to its kernel and back. */

#include "selectors.h"

#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_LOADED 0x2badb002

  .section .multiboot, "a"
  .long MULTIBOOT_MAGIC, 0, -MULTIBOOT_MAGIC

/* Numbers: xen/include/public/elfnote.h */
  .macro note type, kind, value:vararg
  .section .note.Xen, "a", @note
  .long 4, 2f - 1f, \type
  .asciz "Xen"
1: \kind \value
2: .balign 4
  .endm
  note 1, .long, xen_start           /* ENTRY */
  note 2, .long, hypercall_page      /* HYPERCALL_PAGE */
  note 3, .long, 0                   /* VIRT_BASE */
  note 4, .long, 0                   /* PADDR_OFFSET */
  note 5, .asciz, "xen-3.0"          /* XEN_VERSION */
  note 6, .asciz, "bench"            /* GUEST_OS */
  note 8, .asciz, "generic"          /* LOADER */
  note 9, .asciz, "yes"              /* PAE_MODE */

  .text
  .globl _start, xen_start
_start:
  cld
  cmp $MULTIBOOT_LOADED, %eax
  je 1f
  mov %esp, %eax
  and $-16, %esp
  sub $12, %esp
  push %eax
  call linux_main
1: mov $kernel_stack_top - 12, %esp
  push %ebx
  call bare_main

xen_start:
  cld
  mov $kernel_stack_top - 12, %esp
  push %esi
  call xen_main

/* void enter_user(u32 code_selector, u32 data_selector): main_program on its own stack, at CPL 3. */
  .globl enter_user
enter_user:
  mov 4(%esp), %ecx
  mov 8(%esp), %eax
  pushl %eax
  pushl $user_stack_top
  pushf
  pushl %ecx
  pushl $1f
  mov %eax, %ds
  mov %eax, %es
  iret
1: call main_program

/* int 0x80. What is pushed here is struct registers. */
  .globl system_call
system_call:
  cld
  push %es
  push %ds
  pusha
  mov kernel_data_selector, %eax
  mov %eax, %ds
  mov %eax, %es
  push %esp
  call serve_call
  add $4, %esp
  popa
  pop %ds
  pop %es
  iret

/* Of bare hosts: any exception ends the run. */
  .globl exception
exception:
  mov kernel_data_selector, %eax
  mov %eax, %ds
  mov %eax, %es
  and $-16, %esp
  call die

  .globl load_tables
/* void load_tables(const void *gdtr, const void *idtr, u32 page_directory) */
load_tables:
  mov 4(%esp), %eax
  lgdt (%eax)
  mov 8(%esp), %eax
  lidt (%eax)
  mov $GDT_KERNEL_DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  ljmp $GDT_KERNEL_CODE, $1f
1: mov $GDT_TASK, %eax
  ltr %ax
  mov %cr4, %eax
  or $0x600, %eax           /* OSFXSR, OSXMMEXCPT */
  mov %eax, %cr4
  mov 12(%esp), %eax
  mov %eax, %cr3
  mov %cr0, %eax
  and $~0xe, %eax           /* EM, TS off; MP below */
  or $0x80010022, %eax      /* PG, WP, NE, MP */
  mov %eax, %cr0
  fninit
  ret

  .bss
  .balign 4096
  .skip 65536
  .globl kernel_stack_top
kernel_stack_top:
  .skip 1 << 20
user_stack_top:

  .text
  .balign 4096
  .globl hypercall_page
hypercall_page:
  .skip 4096
  .section .note.GNU-stack, "", @progbits
