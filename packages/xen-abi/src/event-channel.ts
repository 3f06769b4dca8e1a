/** Event channels. Source: xen/include/public/event_channel.h, xen.h (VIRQ_*) @ RELEASE-4.18.0 */
import { array, nested, struct, u8, u16, u32, u64, union } from './struct.ts';

export const EVTCHNOP_bind_interdomain = 0;
export const EVTCHNOP_bind_virq = 1;
export const EVTCHNOP_bind_pirq = 2;
export const EVTCHNOP_close = 3;
export const EVTCHNOP_send = 4;
export const EVTCHNOP_status = 5;
export const EVTCHNOP_alloc_unbound = 6;
export const EVTCHNOP_bind_ipi = 7;
export const EVTCHNOP_bind_vcpu = 8;
export const EVTCHNOP_unmask = 9;
export const EVTCHNOP_reset = 10;
export const EVTCHNOP_init_control = 11;
export const EVTCHNOP_expand_array = 12;
export const EVTCHNOP_set_priority = 13;
/** Continues an EVTCHNOP_reset that was cut short; Xen makes this call itself. */
export const EVTCHNOP_reset_cont = 14;
/** Sub-operations of event_channel_op, by name. */
export const EVTCHNOP = {
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_virq,
  EVTCHNOP_bind_pirq,
  EVTCHNOP_close,
  EVTCHNOP_send,
  EVTCHNOP_status,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_unmask,
  EVTCHNOP_reset,
  EVTCHNOP_init_control,
  EVTCHNOP_expand_array,
  EVTCHNOP_set_priority,
} as const;

/** evtchn_status.status values. */
export const EVTCHNSTAT_closed = 0;
export const EVTCHNSTAT_unbound = 1;
export const EVTCHNSTAT_interdomain = 2;
export const EVTCHNSTAT_pirq = 3;
export const EVTCHNSTAT_virq = 4;
export const EVTCHNSTAT_ipi = 5;

/** Virtual interrupts. V: one per vCPU; G: one per system, delivered to one vCPU. */
/** V. Time was updated or a timer fired. */
export const VIRQ_TIMER = 0;
/** V. Request to dump debug information. */
export const VIRQ_DEBUG = 1;
/** G. Bytes on the emergency console. */
export const VIRQ_CONSOLE = 2;
/** G. A domain met an exceptional event. */
export const VIRQ_DOM_EXC = 3;
/** G. Trace records are waiting. */
export const VIRQ_TBUF = 4;
/** G. A domain stopped for a debugger. */
export const VIRQ_DEBUGGER = 6;
/** V. Profiling sample. */
export const VIRQ_XENOPROF = 7;
/** G. Bytes in the hypervisor's console ring. */
export const VIRQ_CON_RING = 8;
/** G. A physical CPU changed state. */
export const VIRQ_PCPU_STATE = 9;
/** G. A memory event occurred. */
export const VIRQ_MEM_EVENT = 10;
/** G. Argo message. */
export const VIRQ_ARGO = 11;
/** G. The hypervisor's heap runs low. */
export const VIRQ_ENOMEM = 12;
/** V. Performance counter. */
export const VIRQ_XENPMU = 13;
/** First of the eight architecture-specific interrupts (16 to 23). */
export const VIRQ_ARCH_0 = 16;
export const NR_VIRQS = 24;

/** Ports of a domain that uses the 2-level ABI. */
export const EVTCHN_2L_NR_CHANNELS = 1024;
export const EVTCHN_FIFO_PRIORITY_MAX = 0;
export const EVTCHN_FIFO_PRIORITY_DEFAULT = 7;
/** Lowest priority: the highest number. */
export const EVTCHN_FIFO_PRIORITY_MIN = 15;
export const EVTCHN_FIFO_MAX_QUEUES = 16;
/** Bit numbers of an event word (event_word_t). */
export const EVTCHN_FIFO_PENDING = 31;
export const EVTCHN_FIFO_MASKED = 30;
export const EVTCHN_FIFO_LINKED = 29;
export const EVTCHN_FIFO_BUSY = 28;
/** Low bits of an event word that name the next port of the queue. */
export const EVTCHN_FIFO_LINK_BITS = 17;
export const EVTCHN_FIFO_LINK_MASK = 0x1ffff;
export const EVTCHN_FIFO_NR_CHANNELS = 0x20000;

/** struct evtchn_alloc_unbound (EVTCHNOP_alloc_unbound). */
export const EvtchnAllocUnbound = struct('evtchn_alloc_unbound', {
  dom: u16, // domain that gets the port               IN
  remote_dom: u16, // domain that may bind to it       IN
  port: u32, // OUT
});

/** struct evtchn_bind_interdomain (EVTCHNOP_bind_interdomain). */
export const EvtchnBindInterdomain = struct('evtchn_bind_interdomain', {
  remote_dom: u16, // IN
  remote_port: u32, // IN
  local_port: u32, // OUT
});

/** struct evtchn_bind_virq (EVTCHNOP_bind_virq). */
export const EvtchnBindVirq = struct('evtchn_bind_virq', {
  virq: u32, // VIRQ_* IN
  vcpu: u32, // IN
  port: u32, // OUT
});

/** struct evtchn_bind_pirq (EVTCHNOP_bind_pirq). */
export const EvtchnBindPirq = struct('evtchn_bind_pirq', {
  pirq: u32, // IN
  flags: u32, // BIND_PIRQ__* IN
  port: u32, // OUT
});

/** struct evtchn_bind_ipi (EVTCHNOP_bind_ipi). */
export const EvtchnBindIpi = struct('evtchn_bind_ipi', {
  vcpu: u32, // IN
  port: u32, // OUT
});

/** struct evtchn_close (EVTCHNOP_close). */
export const EvtchnClose = struct('evtchn_close', { port: u32 });
/** struct evtchn_send (EVTCHNOP_send). */
export const EvtchnSend = struct('evtchn_send', { port: u32 });

/** struct evtchn_status (EVTCHNOP_status). */
export const EvtchnStatus = struct('evtchn_status', {
  dom: u16, // IN
  port: u32, // IN
  status: u32, // EVTCHNSTAT_* OUT
  vcpu: u32, // OUT
  u: nested(
    union('', {
      unbound: nested(struct('', { dom: u16 })), // OUT
      interdomain: nested(struct('', { dom: u16, port: u32 })), // OUT
      pirq: u32, // OUT
      virq: u32, // OUT
    }),
  ),
});

/** struct evtchn_bind_vcpu (EVTCHNOP_bind_vcpu). */
export const EvtchnBindVcpu = struct('evtchn_bind_vcpu', {
  port: u32, // IN
  vcpu: u32, // IN
});

/** struct evtchn_unmask (EVTCHNOP_unmask). */
export const EvtchnUnmask = struct('evtchn_unmask', { port: u32 });
/** struct evtchn_reset (EVTCHNOP_reset). */
export const EvtchnReset = struct('evtchn_reset', { dom: u16 });

/** struct evtchn_init_control (EVTCHNOP_init_control). */
export const EvtchnInitControl = struct('evtchn_init_control', {
  control_gfn: u64, // frame of the control block       IN
  offset: u32, // of the block in the frame, bytes      IN
  vcpu: u32, // IN
  link_bits: u8, // EVTCHN_FIFO_LINK_BITS                OUT
  _pad: array(u8, 7),
});

/** struct evtchn_expand_array (EVTCHNOP_expand_array). */
export const EvtchnExpandArray = struct('evtchn_expand_array', { array_gfn: u64 });

/** struct evtchn_set_priority (EVTCHNOP_set_priority). */
export const EvtchnSetPriority = struct('evtchn_set_priority', {
  port: u32, // IN
  priority: u32, // 0 highest, 15 lowest IN
});

/** struct evtchn_op: argument of event_channel_op_compat. */
export const EvtchnOp = struct('evtchn_op', {
  cmd: u32, // EVTCHNOP_* IN
  u: nested(
    union('', {
      alloc_unbound: nested(EvtchnAllocUnbound),
      bind_interdomain: nested(EvtchnBindInterdomain),
      bind_virq: nested(EvtchnBindVirq),
      bind_pirq: nested(EvtchnBindPirq),
      bind_ipi: nested(EvtchnBindIpi),
      close: nested(EvtchnClose),
      send: nested(EvtchnSend),
      status: nested(EvtchnStatus),
      bind_vcpu: nested(EvtchnBindVcpu),
      unmask: nested(EvtchnUnmask),
    }),
  ),
});

/** struct evtchn_fifo_control_block: one per vCPU. */
export const EvtchnFifoControlBlock = struct('evtchn_fifo_control_block', {
  ready: u32, // bit per queue with events            [XEN,GST]
  _rsvd: u32,
  head: array(u32, EVTCHN_FIFO_MAX_QUEUES), // first port of each queue [XEN,GST]
});
