import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_virq,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  SCHEDOP_block,
  SCHEDOP_poll,
  SCHEDOP_yield,
  VCPUOP_down,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_up,
  VcpuGuestContext,
  VGCF_in_kernel,
  VIRQ_TIMER,
} from '@domu/xen-abi';
import { type Check, check, hypercall, words } from '../check-program.ts';
import { type Mode, PLACES, VARS } from './places.ts';
import { type Row, row } from './program.ts';

const { ARGS, LIST, CONTEXT, RUNSTATE, SECOND_STACK } = PLACES;
const ENOENT = -2;
const EEXIST = -17;
const EINVAL = -22;
const MS = 1_000_000;

const eventOp = (cmd: number, ...args: (number | string)[]): string =>
  [words(ARGS, ...args), hypercall(__HYPERVISOR_event_channel_op, cmd, ARGS)].join('\n');
const vcpuOp = (cmd: number, vcpu: number, ...args: (number | string)[]): string =>
  [words(ARGS, ...args), hypercall(__HYPERVISOR_vcpu_op, cmd, vcpu, ARGS)].join('\n');
const schedOp = (cmd: number, arg = 0): string => hypercall(__HYPERVISOR_sched_op, cmd, arg);
/** DEADLINE is so many ns from now. */
const deadline = (ns: number): string => `call now\nadd eax, ${ns}\nmov [DEADLINE], eax`;
/** EAX is 1 when DEADLINE has passed. */
const passed = 'call now\nsub eax, [DEADLINE]\nmov eax, 0\nsetns al';
const spinTimer = 'mov eax, [TIMER_PORT]\ncall spin_port';
const waitTimer = 'mov eax, [TIMER_PORT]\ncall wait_port';

/** System time and waiting, for all rows. */
export const TIME_ROUTINES = `
now:                                    # EAX: low word of the system time, ns
        mov ebx, [SHARED]
1:      mov esi, [ebx+32]               # vcpu_time_info.version
        test esi, 1
        jnz 1b
        rdtsc
        sub eax, [ebx+40]
        sbb edx, [ebx+44]
        mov cl, [ebx+60]
        test cl, cl
        js 2f
        shld edx, eax, cl
        shl eax, cl
        jmp 3f
2:      neg cl
        shrd eax, edx, cl
        shr edx, cl
3:      mov edi, edx
        mul dword ptr [ebx+56]
        mov ecx, edx
        mov eax, edi
        mul dword ptr [ebx+56]
        add eax, ecx
        add eax, [ebx+48]
        cmp esi, [ebx+32]
        jne 1b
        ret
wait_port:                              # until port EAX is pending; clears it. EAX: 0
        mov [PORT], eax
1:      mov eax, [PORT]
        mov ebx, [SHARED]
        btr dword ptr [ebx+0x800], eax
        jc 2f
        ${words(ARGS, VARS.port, 1, 0, 0)}
        ${schedOp(SCHEDOP_poll, ARGS)}
        test eax, eax
        jz 1b
        ret
2:      mov byte ptr [ebx], 0            # what made it pending made the upcall pending as well
        mov dword ptr [ebx+4], 0
        xor eax, eax
        ret
spin_port:                              # the same without sleeping
        mov ebx, [SHARED]
1:      btr dword ptr [ebx+0x800], eax
        jnc 1b
        mov byte ptr [ebx], 0
        mov dword ptr [ebx+4], 0
        xor eax, eax
        ret
second:                                 # vCPU 1
        inc dword ptr [SECOND]
        ${eventOp(4, '[IPI_PORT]').replaceAll(String(ARGS), String(ARGS + 0x800))}
        ${hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0)}
        jmp second
`;

const time: Row[] = [
  row(
    'time',
    check('the record is complete', 0, 'mov ebx, [SHARED]\nmov eax, [ebx+32]\nand eax, 1'),
    check('the TSC has a scale', 1, 'cmp dword ptr [ebx+56], 0\nmov eax, 0\nsetne al'),
    check(
      'system time goes on',
      1,
      'call now\nmov [SCRATCH], eax\nmov ecx, 5000\n1: loop 1b\ncall now\nsub eax, [SCRATCH]\ncmp eax, 0\nmov eax, 0\nsetg al',
    ),
    check(
      'the wall clock is set',
      1,
      'mov ebx, [SHARED]\ncmp dword ptr [ebx+0x904], 0\nmov eax, 0\nsetne al',
    ),
  ),
];

function timers({ translated }: Mode): Row[] {
  const newer: Check[] = [
    check('no tick', 0, vcpuOp(VCPUOP_stop_periodic_timer, 0)),
    check('a period that is too short', EINVAL, vcpuOp(VCPUOP_set_periodic_timer, 0, MS - 1, 0)),
    check('a period', 0, deadline(3 * MS), vcpuOp(VCPUOP_set_periodic_timer, 0, MS, 0)),
    // A vCPU that sleeps has no tick.
    check('four times', 0, spinTimer, spinTimer, spinTimer, spinTimer),
    check('took as long', 1, passed),
    check('enough', 0, vcpuOp(VCPUOP_stop_periodic_timer, 0)),
    check('one shot', 0, deadline(MS), vcpuOp(VCPUOP_set_singleshot_timer, 0, '[DEADLINE]', 0, 0)),
    check('comes', 0, waitTimer),
    check('in time', 1, passed),
    check('in the past', 0, vcpuOp(VCPUOP_set_singleshot_timer, 0, 1, 0, 1)),
    check('comes at once', 0, waitTimer),
    check('of another vCPU', EINVAL, vcpuOp(VCPUOP_set_singleshot_timer, 1, 0, 0, 0)),
  ];
  return [
    row(
      'timers',
      check(
        'VIRQ_TIMER',
        0,
        eventOp(EVTCHNOP_bind_virq, VIRQ_TIMER, 0, 0),
        `mov ecx, [${ARGS + 8}]\nmov [TIMER_PORT], ecx`,
      ),
      check('twice', EEXIST, eventOp(EVTCHNOP_bind_virq, VIRQ_TIMER, 0, 0)),
      ...(translated ? [] : newer),
      check('set_timer_op', 0, deadline(2 * MS), hypercall(__HYPERVISOR_set_timer_op, 'eax', 0)),
      // An earlier event may be the tick.
      check('comes', 1, `2: ${waitTimer}\n${passed}\ntest eax, eax\njz 2b`),
      check('stopped', 0, hypercall(__HYPERVISOR_set_timer_op, 0, 0)),
    ),
  ];
}

const context = (field: { readonly offset: number }, value: number | string): string =>
  words(CONTEXT + field.offset, value);
const { user_regs: regs } = VcpuGuestContext;
const segments = [regs.ds, regs.es, regs.ss].map((segment) => context(segment, FLAT_KERNEL_DS));

const vcpus: Row[] = [
  row(
    'vcpu init',
    check('is not up', 0, vcpuOp(VCPUOP_is_up, 1)),
    check('cannot go up', EINVAL, vcpuOp(VCPUOP_up, 1)),
    check('no such vCPU', ENOENT, vcpuOp(VCPUOP_is_up, 2)),
    check(
      'initialise',
      0,
      context(VcpuGuestContext.flags, VGCF_in_kernel),
      context(regs.eip, 'offset second'),
      context(regs.esp, SECOND_STACK),
      context(regs.cs, FLAT_KERNEL_CS),
      ...segments,
      context(VcpuGuestContext.kernel_ss, FLAT_KERNEL_DS),
      context(VcpuGuestContext.kernel_sp, SECOND_STACK),
      'mov eax, cr3',
      words(CONTEXT + VcpuGuestContext.ctrlreg.offset + 12, 'eax'),
      hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, CONTEXT),
    ),
    check('twice', EEXIST, hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, CONTEXT)),
    check('still not up', 0, vcpuOp(VCPUOP_is_up, 1)),
  ),
  row(
    'vcpu up',
    check(
      'a port for it',
      0,
      eventOp(EVTCHNOP_bind_ipi, 0, 0),
      `mov ecx, [${ARGS + 4}]\nmov [IPI_PORT], ecx`,
    ),
    check('up', 0, vcpuOp(VCPUOP_up, 1)),
    check('it runs and signals', 0, 'mov eax, [IPI_PORT]\ncall wait_port'),
    check('once', 1, 'mov eax, [SECOND]'),
  ),
  row(
    'vcpu down',
    check('goes down', 0, `1: ${schedOp(SCHEDOP_yield)}\n${vcpuOp(VCPUOP_is_up, 1)}\ntest eax, eax\njnz 1b`),
    check('up again', 0, vcpuOp(VCPUOP_up, 1)),
    check('goes on where it was', 0, 'mov eax, [IPI_PORT]\ncall wait_port'),
    check('twice', 2, 'mov eax, [SECOND]'),
    check('down again', 0, `1: ${schedOp(SCHEDOP_yield)}\n${vcpuOp(VCPUOP_is_up, 1)}\ntest eax, eax\njnz 1b`),
  ),
  row(
    'runstate',
    check('own', 0, vcpuOp(VCPUOP_get_runstate_info, 0), `mov ecx, [${ARGS}]\nadd eax, ecx`),
    check('offline', 3, vcpuOp(VCPUOP_get_runstate_info, 1), `mov eax, [${ARGS}]`),
    check('an area', 0, words(RUNSTATE, -1), vcpuOp(VCPUOP_register_runstate_memory_area, 0, RUNSTATE)),
    check('is written', 0, `mov eax, [${RUNSTATE}]`),
  ),
];

const scheduling: Row[] = [
  row('yield', check('returns', 0, schedOp(SCHEDOP_yield)), check('unknown operation', -38, schedOp(99))),
  row(
    'poll',
    check(
      'a port that is not pending',
      0,
      deadline(MS),
      words(LIST, '[IPI_PORT]'),
      'mov eax, [DEADLINE]',
      words(ARGS, LIST, 1, 'eax', 0),
      schedOp(SCHEDOP_poll, ARGS),
    ),
    check('waits until the time has come', 1, passed),
    check('too many ports', EINVAL, words(ARGS, LIST, 129, 0, 0), schedOp(SCHEDOP_poll, ARGS)),
    check(
      'no such port',
      EINVAL,
      words(LIST, 0x10_0000),
      words(ARGS, LIST, 1, 0, 0),
      schedOp(SCHEDOP_poll, ARGS),
    ),
  ),
  row(
    'block',
    check(
      'unmasked timer',
      0,
      'mov dword ptr [UPCALLS], 0',
      'mov dword ptr [SELECTED], 0',
      'mov eax, [TIMER_PORT]',
      'mov ebx, [SHARED]',
      'btr dword ptr [ebx+0x880], eax',
      'mov dword ptr [ebx+0x800], 0',
      'mov dword ptr [ebx], 0x100',
      'mov dword ptr [ebx+4], 0',
      deadline(MS),
      hypercall(__HYPERVISOR_set_timer_op, 'eax', 0),
    ),
    check('sleeps', 0, schedOp(SCHEDOP_block)),
    check('the upcall came first', 1, 'cmp dword ptr [UPCALLS], 0\nmov eax, 0\nsetg al'),
    check('with the word of its port', 1, 'mov eax, [SELECTED]'),
    check('events are enabled', 0, 'mov ebx, [SHARED]\nmovzx eax, byte ptr [ebx+1]'),
    check('masked again', 1, 'mov ebx, [SHARED]\nmov byte ptr [ebx+1], 1\nmov eax, 1'),
  ),
];

/** Rows on time, timers, vCPUs and scheduling, in an order in which they build on each other. */
export const timeRows = (mode: Mode): readonly Row[] => [...time, ...timers(mode), ...vcpus, ...scheduling];
