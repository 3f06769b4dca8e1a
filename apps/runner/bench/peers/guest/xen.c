/* The smallest PV kernel: Xen's flat segments, the builder's page tables, programs at CPL 3, event upcalls masked. */
#include "kernel.h"

enum { FLAT_KERNEL_CS = 0xe019, FLAT_KERNEL_DS = 0xe021, FLAT_USER_CS = 0xe02b, FLAT_USER_DS = 0xe033 };
enum { CALL_set_trap_table = 0, CALL_stack_switch = 3, CALL_update_va_mapping = 14, CALL_sched_op = 29 };
enum { CALL_event_channel_op = 32, SCHEDOP_yield = 0, SCHEDOP_shutdown = 2, EVTCHNOP_send = 4 };
enum { PAGE = 4096, PTE_USER_PAGE = 0x67, DPL_3 = 3, VECTOR_SYSTEM_CALL = 0x80, RING_BYTES = 2048 };
#define MACHINE_TO_PHYS ((const u32 *)0xf5800000)

struct start_info {
  char magic[32];
  u32 nr_pages, shared_info, flags, store_mfn, store_port, console_mfn, console_port;
  u32 pt_base, nr_pt_frames;
  const u32 *mfn_list;
  u32 mod_start, mod_len;
  char cmd_line[1024];
};
struct console_ring {
  char in[1024], out[RING_BYTES];
  volatile u32 in_cons, in_prod, out_cons, out_prod;
};
struct trap {
  u8 vector, flags;
  u16 code_selector;
  void (*handler)(void);
};

static const struct start_info *start;
static struct console_ring *ring;

static u32 call(u32 nr, u32 a, u32 b, u32 c, u32 d) {
  u32 result;
  __asm__ volatile("call *%%eax"
                   : "=a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d)
                   : "0"(hypercall_page + nr * 32)
                   : "memory");
  return result;
}

static void xen_write(const char *text, size count) {
  const u32 port = start->console_port;
  while (count > 0) {
    u32 used = ring->out_prod - ring->out_cons;
    for (; used < RING_BYTES && count > 0; used++, count--) {
      ring->out[ring->out_prod % RING_BYTES] = *text++;
      __asm__ volatile("" : : : "memory");
      ring->out_prod++;
    }
    call(CALL_event_channel_op, EVTCHNOP_send, (u32)&port, 0, 0);
    if (count > 0) call(CALL_sched_op, SCHEDOP_yield, 0, 0, 0);
  }
}

static void xen_power_off(void) {
  static const u32 poweroff = 0;
  for (;;)
    call(CALL_sched_op, SCHEDOP_shutdown, (u32)&poweroff, 0, 0);
}

void xen_main(const struct start_info *info) {
  start = info;
  ring = (struct console_ring *)(MACHINE_TO_PHYS[info->console_mfn] * PAGE);
  set_command_line(info->cmd_line);
  console_write = xen_write;
  power_off = xen_power_off;
  kernel_data_selector = FLAT_KERNEL_DS;
  static const struct trap traps[2] = {{VECTOR_SYSTEM_CALL, DPL_3, FLAT_KERNEL_CS, system_call}};
  call(CALL_set_trap_table, (u32)traps, 0, 0, 0);
  call(CALL_stack_switch, FLAT_KERNEL_DS, (u32)kernel_stack_top, 0, 0);
  for (u32 page = 0x100; page < (u32)image_end / PAGE; page++) {
    u64 entry = (u64)info->mfn_list[page] * PAGE | PTE_USER_PAGE;
    call(CALL_update_va_mapping, page * PAGE, (u32)entry, (u32)(entry >> 32), 0);
  }
  enter_user(FLAT_USER_CS, FLAT_USER_DS);
}
