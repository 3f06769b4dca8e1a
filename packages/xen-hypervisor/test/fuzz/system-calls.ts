import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_console_io,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_event_channel_op_compat,
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_iret,
  __HYPERVISOR_multicall,
  __HYPERVISOR_nmi_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_physdev_op_compat,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_virq,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_send,
  EVTCHNOP_status,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  GNTTABOP_cache_flush,
  GNTTABOP_copy,
  GNTTABOP_get_status_frames,
  GNTTABOP_map_grant_ref,
  GNTTABOP_setup_table,
  GNTTABOP_transfer,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_unmap_grant_ref,
  SCHEDOP_block,
  SCHEDOP_poll,
  SCHEDOP_shutdown,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  VCPUOP_down,
  VCPUOP_initialise,
  VCPUOP_register_vcpu_info,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
} from '@domu/xen-abi';
import type { Call, Value } from './call.ts';
import { CONTEXT_VA, entryVa, NR_VCPUS } from './guest.ts';
import type { Words } from './words.ts';

export function grantTableOp(w: Words): Call {
  const { random } = w;
  const cmd = random.pick([
    ...[GNTTABOP_map_grant_ref, GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_unmap_grant_ref],
    ...[GNTTABOP_copy, GNTTABOP_copy, GNTTABOP_transfer, GNTTABOP_unmap_and_replace, GNTTABOP_setup_table],
    random.below(14),
  ]);
  const n = 1 + random.below(3);
  const requests = Array.from({ length: n }, () => grantRequest(w, cmd)).flat();
  const count = random.oneIn(24) ? w.odd() : n;
  return w.call(__HYPERVISOR_grant_table_op, [cmd, w.pointer(), count], requests);
}

/** Linear address, or the machine address of an L1 entry. */
function hostAddress(w: Words, flags: number): Value[] {
  const high = w.random.oneIn(30) ? w.odd() : 0;
  return [(flags & 16) !== 0 ? w.entryAddress() : w.va(), high];
}

function grantRequest(w: Words, cmd: number): Value[] {
  const { random } = w;
  switch (cmd) {
    case GNTTABOP_map_grant_ref: {
      const flags = random.pick([2, 2, 2, 2, 2, 6, 6, 6, 3, 7, 18, 22, 0x1_0002, random.below(64)]);
      return [...hostAddress(w, flags), flags, w.gref(), w.peer(), 0, 0, 0];
    }
    case GNTTABOP_unmap_grant_ref: {
      const { handle, where } = mapping(w);
      return [...where, random.oneIn(8) ? w.frame(4096) : 0, 0, handle, 0];
    }
    case GNTTABOP_unmap_and_replace: {
      const { handle, where } = mapping(w);
      return [...where, w.va(), 0, handle, 0];
    }
    case GNTTABOP_copy: {
      const flags = random.pick([1, 1, 1, 2, 2, 3, 0]);
      const length = random.pick([0, 1, 16, 256, 256, 4096, random.below(65536)]);
      return [...copySide(w, flags & 1), ...copySide(w, flags & 2), (length | (flags << 16)) >>> 0, 0];
    }
    case GNTTABOP_transfer:
      return [w.frame(), w.peer(), random.oneIn(2) ? 24 + random.below(4) : w.gref(), 0];
    case GNTTABOP_setup_table:
      return [w.domid(), random.oneIn(5) ? w.odd() : random.below(5), 0, w.pointer(128)];
    case GNTTABOP_get_status_frames:
      return [w.count(), w.domid(), w.pointer(128)];
    case GNTTABOP_cache_flush:
      return [w.gref(), 0, w.odd(), w.small(4)];
    default:
      return [random.oneIn(3) ? w.domid() : w.small(4), w.gref(), 0];
  }
}

/** A mapping that is there, or was; sometimes with another's place. */
function mapping(w: Words): { readonly handle: Value; readonly where: readonly Value[] } {
  const { random } = w;
  const index = random.below(16);
  const handle: Value = random.oneIn(10) ? w.small(40) : { kind: 'mapping', index, part: 'handle' };
  if (random.oneIn(10)) return { handle, where: hostAddress(w, random.oneIn(3) ? 16 : 0) };
  return {
    handle,
    where: [
      { kind: 'mapping', index, part: 'lo' },
      { kind: 'mapping', index, part: 'hi' },
    ],
  };
}

/** One end of a copy: a grant of a peer's, or a frame of the caller's. */
function copySide(w: Words, gref: number): Value[] {
  const offset = w.random.pick([0, 0, 0, 8, 2048, 4095, 4096]);
  return gref ? [w.gref(), w.peer((offset << 16) >>> 0)] : [w.frame(), ((offset << 16) | 0x7ff0) >>> 0];
}

export function eventChannelOp(w: Words): Call {
  const { random } = w;
  const cmd = random.oneIn(4) ? EVTCHNOP_send : w.small(15);
  const words = eventWords(w, cmd);
  if (random.oneIn(12)) return w.call(__HYPERVISOR_event_channel_op_compat, [w.pointer()], [cmd, ...words]);
  return w.call(__HYPERVISOR_event_channel_op, [cmd, w.pointer()], words);
}

function eventWords(w: Words, cmd: number): Value[] {
  const { random } = w;
  switch (cmd) {
    case EVTCHNOP_alloc_unbound:
      return [random.oneIn(8) ? w.domid() : w.highDomid(0x7ff0), 0];
    case EVTCHNOP_bind_interdomain:
      return [w.domid(), w.port(), 0];
    case EVTCHNOP_bind_virq:
      return [random.oneIn(2) ? 0 : w.small(25), w.small(5), 0];
    case EVTCHNOP_bind_ipi:
      return [w.small(5), 0];
    case EVTCHNOP_status:
      return [w.domid(), w.port()];
    case EVTCHNOP_init_control:
      return [w.frame(), 0, random.oneIn(4) ? w.odd() : random.below(4) * 1024, w.small(5), 0];
    case EVTCHNOP_expand_array:
      return [w.frame(), 0];
    default:
      return [w.port(), w.small(5)];
  }
}

export function schedOp(w: Words): Call {
  const { random } = w;
  const cmd = random.pick([
    ...[SCHEDOP_yield, SCHEDOP_yield, SCHEDOP_yield, SCHEDOP_block, SCHEDOP_poll, SCHEDOP_poll],
    random.oneIn(8) ? random.below(10) : SCHEDOP_yield,
  ]);
  if (cmd === SCHEDOP_shutdown && !random.oneIn(6)) return w.call(__HYPERVISOR_sched_op, [SCHEDOP_yield]);
  if (cmd === SCHEDOP_poll) {
    const words: Value[] = [w.pointer(64), w.small(5), ...w.time()];
    while (words.length < 16) words.push(0);
    return w.call(__HYPERVISOR_sched_op, [cmd, w.pointer()], [...words, ...w.list(8, () => w.port())]);
  }
  const words =
    cmd === SCHEDOP_watchdog ? [w.small(4), random.pick([0, 1, 60, w.odd()])] : [w.small(7), w.small(7)];
  return w.call(__HYPERVISOR_sched_op, [cmd, w.pointer()], words);
}

export function vcpuOp(w: Words): Call {
  const { random } = w;
  const cmd = w.small(16);
  const vcpu = w.small(NR_VCPUS);
  if (cmd === VCPUOP_down && !random.oneIn(6)) return w.call(__HYPERVISOR_vcpu_op, [3, vcpu]);
  if (cmd === VCPUOP_initialise)
    return w.call(__HYPERVISOR_vcpu_op, [cmd, vcpu, random.oneIn(4) ? w.byteVa() : CONTEXT_VA]);
  const words = vcpuWords(w, cmd);
  return w.call(__HYPERVISOR_vcpu_op, [cmd, vcpu, random.oneIn(8) ? 0 : w.pointer()], words);
}

function vcpuWords(w: Words, cmd: number): Value[] {
  const { random } = w;
  switch (cmd) {
    case VCPUOP_set_periodic_timer:
      return [random.pick([0, 999_999, 1_000_000, 10_000_000, w.odd()]), w.small(2)];
    case VCPUOP_set_singleshot_timer:
      return [...w.time(), random.below(3)];
    case VCPUOP_register_vcpu_info:
      return [w.frame(), 0, random.pick([0, 64, 2048, 4032, 4036, 4095, w.odd()]), 0];
    default:
      return [w.byteVa(), random.oneIn(2) ? 0 : w.odd()];
  }
}

/** Registers of the kernel that Xen uses on its behalf: mostly values that work. */
export function trapSetting(w: Words): Call {
  const { random } = w;
  const ruin = random.oneIn(60);
  const address = ruin ? w.byteVa() : entryVa(random.below(2));
  const cs = ruin ? w.odd() & 0xffff : FLAT_KERNEL_CS;
  switch (random.below(7)) {
    case 0: {
      const traps = Array.from({ length: 1 + random.below(8) }, (): Value[] => [
        (random.below(256) | (random.below(8) << 8) | (cs << 16)) >>> 0,
        address,
      ]);
      return w.call(
        __HYPERVISOR_set_trap_table,
        [random.oneIn(60) ? w.pointer() : { kind: 'block', offset: 0 }],
        traps.flat(),
      );
    }
    case 1:
      return w.call(__HYPERVISOR_set_callbacks, [cs, address, cs, address]);
    case 2:
      return w.call(__HYPERVISOR_stack_switch, [ruin ? w.odd() : FLAT_KERNEL_DS, w.byteVa()]);
    case 3:
      return w.call(
        __HYPERVISOR_callback_op,
        [w.small(3), w.pointer()],
        [(random.below(9) | (random.below(3) << 16)) >>> 0, cs, address],
      );
    case 4:
      return w.call(__HYPERVISOR_nmi_op, [w.small(3), w.pointer()], [address]);
    case 5:
      return w.call(__HYPERVISOR_set_debugreg, [w.small(9), random.oneIn(2) ? 0x400 : w.byteVa()]);
    default:
      return w.call(random.pick([__HYPERVISOR_get_debugreg, __HYPERVISOR_fpu_taskswitch]), [w.small(9)]);
  }
}

export function smallCall(w: Words): Call {
  const { random } = w;
  switch (random.below(7)) {
    case 0:
      return w.call(__HYPERVISOR_set_timer_op, w.time());
    case 1:
      return w.call(__HYPERVISOR_xen_version, [w.small(12), w.pointer()], [w.small(3), 0]);
    case 2:
      return w.call(
        __HYPERVISOR_console_io,
        [w.small(3), w.small(300), w.pointer()],
        w.list(32, () => w.odd()),
      );
    case 3:
      return w.call(__HYPERVISOR_vm_assist, [w.small(3), w.small(8)]);
    case 4:
      return w.call(__HYPERVISOR_physdev_op, [w.small(32), w.pointer()], [w.odd(), w.odd(), w.odd()]);
    case 5:
      return w.call(__HYPERVISOR_physdev_op_compat, [w.pointer()], [w.small(32), w.odd(), w.odd(), w.odd()]);
    default:
      return w.call(random.oneIn(3) ? __HYPERVISOR_iret : __HYPERVISOR_set_timer_op, w.time());
  }
}

/** Any number of a hypercall, any arguments. */
export function anyCall(w: Words): Call {
  const { random } = w;
  const nr = random.oneIn(10) ? w.odd() & 0x8000_0fff : random.below(64);
  // 0x1000 and up are not hypercalls to the guest's loop.
  const args = w.list(5, () =>
    random.pick<Value>([w.odd(), w.small(16), w.pointer(), w.byteVa(), w.frame()]),
  );
  return w.call(
    nr >>> 0,
    args,
    w.list(16, () => random.pick<Value>([w.odd(), w.small(8), w.frame(), w.domid()])),
  );
}

/** A list of calls; `make` is asked for each. Their arguments are in the rest of the block. */
export function multicall(w: Words, make: () => Call): Call {
  const { random } = w;
  const n = 1 + random.below(4);
  const entries = Array.from({ length: n }, (): Value[] => {
    const { nr, args } = make();
    return [random.oneIn(30) ? __HYPERVISOR_multicall : nr, 0, ...args, 0, 0, 0, 0, 0, 0].slice(0, 8);
  }).flat();
  const inner = make();
  const rest = entries.length <= 32 ? inner.words.slice(0, 32) : [];
  const shifted = entries.map(
    (value): Value =>
      typeof value === 'object' && value.kind === 'block'
        ? { kind: 'block', offset: value.offset / 2 + 128 }
        : value,
  );
  return w.call(__HYPERVISOR_multicall, [w.pointer(), random.oneIn(20) ? w.odd() : n], [...shifted, ...rest]);
}
