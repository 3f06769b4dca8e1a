/* The smallest kernel for a bare PC: flat segments, 4 KiB pages, programs at CPL 3, interrupts off. */
#include "kernel.h"
#include "selectors.h"

enum { MULTIBOOT_CMDLINE = 1 << 2, SERIAL_DATA = 0x3f8 };
enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4, PAGE = 4096, MAPPED = 64 << 20 };
enum { GATE_INTERRUPT = 0x8e00, DPL_3 = 0x6000, VECTORS = 256, VECTOR_SYSTEM_CALL = 0x80 };

struct multiboot_info {
  u32 flags, mem_lower, mem_upper, boot_device;
  const char *cmdline;
};
struct __attribute__((packed)) table_register {
  u16 limit;
  u32 base;
};

void exception(void);
void load_tables(const struct table_register *gdtr, const struct table_register *idtr, u32 page_directory);

static u32 directory[1024] __attribute__((aligned(PAGE)));
static u32 tables[MAPPED / PAGE] __attribute__((aligned(PAGE)));
static u32 idt[VECTORS][2];
static u32 task[26];
static u32 gdt[GDT_ENTRIES][2] = {
    [GDT_KERNEL_CODE / 8] = {0x0000ffff, 0x00cf9b00}, [GDT_KERNEL_DATA / 8] = {0x0000ffff, 0x00cf9300},
    [GDT_USER_CODE / 8] = {0x0000ffff, 0x00cffb00},   [GDT_USER_DATA / 8] = {0x0000ffff, 0x00cff300},
};

static void bare_write(const char *text, size count) {
  while (count-- > 0)
    __asm__ volatile("outb %b0, %w1" : : "a"(*text++), "d"(SERIAL_DATA));
}

/* Whoever reads the serial port ends it. */
static void bare_power_off(void) {
  for (;;)
    __asm__ volatile("hlt");
}

static void set_gate(u32 vector, void (*handler)(void), u32 dpl) {
  u32 address = (u32)handler;
  idt[vector][0] = GDT_KERNEL_CODE << 16 | (address & 0xffff);
  idt[vector][1] = (address & 0xffff0000) | GATE_INTERRUPT | dpl;
}

void bare_main(const struct multiboot_info *info) {
  if (info->flags & MULTIBOOT_CMDLINE) set_command_line(info->cmdline);
  console_write = bare_write;
  power_off = bare_power_off;
  kernel_data_selector = GDT_KERNEL_DATA;
  for (u32 i = 0; i < MAPPED / PAGE; i++)
    tables[i] = i * PAGE | PTE_P | PTE_RW | PTE_US;
  for (u32 i = 0; i < MAPPED / PAGE / 1024; i++)
    directory[i] = (u32)&tables[i * 1024] | PTE_P | PTE_RW | PTE_US;
  for (u32 i = 0; i < VECTORS; i++)
    set_gate(i, exception, 0);
  set_gate(VECTOR_SYSTEM_CALL, system_call, DPL_3);
  task[1] = (u32)kernel_stack_top;
  task[2] = GDT_KERNEL_DATA;
  u32 base = (u32)task;
  gdt[GDT_TASK / 8][0] = (base & 0xffff) << 16 | (sizeof task - 1);
  gdt[GDT_TASK / 8][1] = (base & 0xff000000) | 0x8900 | (base >> 16 & 0xff);
  const struct table_register gdtr = {sizeof gdt - 1, (u32)gdt}, idtr = {sizeof idt - 1, (u32)idt};
  load_tables(&gdtr, &idtr, (u32)directory);
  enter_user(GDT_USER_CODE | 3, GDT_USER_DATA | 3);
}
