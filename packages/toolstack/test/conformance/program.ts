import { type Assembled, assemble, LEGACY_LAYOUT } from '@domu/testkit';
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_update_va_mapping,
  EVTCHNOP_send,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  SCHEDOP_shutdown,
  SCHEDOP_yield,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  UVMF_INVLPG,
} from '@domu/xen-abi';
import { type Check, hypercall, words } from '../check-program.ts';
import { HYPERCALL_IRET, type Mode, PLACES, VARS } from './places.ts';

/** A line of the report: all its checks hold, or the first that does not is named. */
export interface Row {
  readonly name: string;
  readonly checks: readonly Check[];
}

export const row = (name: string, ...checks: readonly Check[]): Row => ({ name, checks });

/** Vectors whose frame has an error code. */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17, 21];
const NR_VECTORS = 32;
const INT80 = 0x80;

/** What an instruction raises: vector << 16 | error code (0 where there is none), or -1 for nothing. */
export const trapOf = (...instruction: readonly string[]): string =>
  [
    `mov dword ptr [${VARS.trap}], -1`,
    'mov eax, offset 9f',
    `mov [${VARS.resume}], eax`,
    ...instruction,
    `9: mov dword ptr [${VARS.resume}], 0`,
    `mov eax, [${VARS.trap}]`,
  ].join('\n');

/** Text goes to EDI, the place in the line. */
const PRINTING = `
put:                                    # text at ESI
1:      mov al, [esi]
        test al, al
        jz 2f
        mov [edi], al
        inc esi
        inc edi
        jmp 1b
2:      ret
puthex:                                 # EDX
        mov word ptr [edi], 0x7830
        add edi, 2
        mov ecx, 8
1:      rol edx, 4
        mov eax, edx
        and eax, 15
        mov al, [eax+digits]
        mov [edi], al
        inc edi
        loop 1b
        ret
endline:                                # sends the line LINE to EDI through the console ring
        mov byte ptr [edi], 10
        inc edi
        mov esi, LINE
1:      cmp esi, edi
        je 3f
        mov ebx, [CONSOLE]
2:      mov ecx, [ebx+3084]             # out_prod
        mov edx, ecx
        sub edx, [ebx+3080]             # out_cons
        cmp edx, 2048
        jb 4f
        push esi
        push edi
        call kick
        pop edi
        pop esi
        mov ebx, [CONSOLE]
        jmp 2b
4:      mov edx, ecx
        and edx, 2047
        mov al, [esi]
        mov [ebx+edx+1024], al
        inc ecx
        mov [ebx+3084], ecx
        inc esi
        jmp 1b
3:
kick:   mov ebx, [START]
        mov ebx, [ebx+56]               # console.evtchn
        mov [KICK], ebx
        KICKCALL
        YIELD
        ret
digits: .ascii "0123456789abcdef"
text_row: .asciz "row "
text_ok: .asciz " ok"
text_fail: .asciz " FAIL got "
text_want: .asciz " want "
text_trap: .asciz " FAIL trap "
text_at: .asciz " at "
text_in: .asciz ": "
text_pass: .asciz "verdict pass"
text_bad: .asciz "verdict FAIL"
`;

/** A trap goes on at RESUME if that is set, and is the end of the row otherwise. */
const TRAPS = `
trap:                                   # vector, error code, eip, cs, eflags
        push eax
        push edx
        mov eax, FLAT_DS
        mov ds, eax
        mov es, eax
        mov eax, [esp+8]
        shl eax, 16
        or eax, [esp+12]
        mov [TRAP], eax
        mov eax, [SHARED]
        mov eax, [eax+8]
        mov [FAULT_CR2], eax
        mov eax, [RESUME]
        test eax, eax
        jz 1f
        mov edx, [esp+20]
        mov [TRAP_CS], edx
        mov [TRAP_SP], esp
        test edx, 2
        jnz 2f
        xchg eax, [esp+16]
        mov [TRAP_EIP], eax
        pop edx
        pop eax
        add esp, 8
        iretd
2:      mov esp, STACK                  # from user mode, and not back to it
        jmp eax
1:      mov edx, [esp+16]
        mov [TRAP_EIP], edx
        mov esp, STACK
        call begin
        mov esi, offset text_trap
        call put
        mov edx, [TRAP]
        call puthex
        mov esi, offset text_at
        call put
        mov edx, [TRAP_EIP]
        call puthex
        jmp name_check
begin:  mov edi, LINE
        mov esi, offset text_row
        call put
        mov esi, [ROW]
        jmp put
rowok:  call begin
        mov esi, offset text_ok
        call put
        call endline
        jmp [NEXT]
failed:                                 # EAX: got, ECX: wanted
        mov esp, STACK
        mov [GOT], eax
        mov [WANT], ecx
        mov eax, FLAT_DS
        mov ds, eax
        mov es, eax
        call begin
        mov esi, offset text_fail
        call put
        mov edx, [GOT]
        call puthex
        mov esi, offset text_want
        call put
        mov edx, [WANT]
        call puthex
name_check:
        mov esi, offset text_in
        call put
        mov esi, [CHECK]
        call put
        call endline
        inc dword ptr [FAILURES]
        jmp [NEXT]
upcall:                                 # events: eip, cs, eflags
        push eax
        push ebx
        mov eax, FLAT_DS
        mov ds, eax
        mov es, eax
        inc dword ptr [UPCALLS]
        mov ebx, [SHARED]
        mov byte ptr [ebx], 0
        mov eax, 0
        xchg [ebx+4], eax
        or [SELECTED], eax
        pop ebx
        pop eax
        jmp HYPERCALL_IRET
`;

function stubs(): string {
  const one = (vector: number): string =>
    `trap${vector}: ${WITH_ERROR_CODE.includes(vector) ? '' : 'push 0\n'}push ${vector}\njmp trap`;
  return [
    ...Array.from({ length: NR_VECTORS }, (_, vector) => one(vector)),
    `trap${INT80}: push 0\npush ${INT80}\njmp trap`,
  ].join('\n');
}

/** A trap_info list: ring 3 may use int3, into and int 0x80. */
function trapTable(): string {
  const vectors = [...Array.from({ length: NR_VECTORS }, (_, vector) => vector), INT80];
  const entries = vectors.map((vector) => {
    const flags = vector === 3 || vector === 4 || vector === INT80 ? 3 : 0;
    return `.byte ${vector}, ${flags}\n.word ${FLAT_KERNEL_CS}\n.long trap${vector}`;
  });
  return `traps:\n${entries.join('\n')}\n.long 0, 0`;
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '')}"`;

/**
 * Assembles the rows into a kernel: each is checked from inside the guest and reported in a line of the console ring,
 * `row NAME ok` or `row NAME FAIL got X want Y: CHECK`, at the end `verdict pass` or `verdict FAIL`; then it powers off, or
 * shuts down as crashed.
 */
export function conformanceProgram(
  rows: readonly Row[],
  mode: Mode,
  parts: { readonly routines: string; readonly symbols: Readonly<Record<string, number>> },
): Assembled {
  const names: string[] = [];
  const body = rows.map(({ name, checks }, r) => {
    names.push(`rowname${r}: .asciz ${quoted(name)}`);
    const steps = checks.map(({ name: what, code, expect }, c) => {
      names.push(`check${r}_${c}: .asciz ${quoted(what)}`);
      return `
        mov dword ptr [CHECK], offset check${r}_${c}
        ${code}
        cmp eax, ${expect}
        je 8f
        mov ecx, ${expect}
        jmp failed
      8:`;
    });
    return `
      row${r}:
        mov esp, STACK
        mov dword ptr [ROW], offset rowname${r}
        mov dword ptr [NEXT], offset row${r + 1}
        ${steps.join('')}
        call rowok`;
  });
  const shutdown = (reason: number): string =>
    `${words(VARS.reason, reason)}\n${hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, VARS.reason)}\nspin${reason}: jmp spin${reason}`;
  const source = `
        mov [START], esi
        mov esp, STACK
        cld
        call boot
        ${body.join('\n')}
      row${rows.length}:
        mov esp, STACK
        mov edi, LINE
        mov esi, offset text_pass
        cmp dword ptr [FAILURES], 0
        je 1f
        mov esi, offset text_bad
      1: call put
        call endline
        cmp dword ptr [FAILURES], 0
        jne 1f
        ${shutdown(SHUTDOWN_poweroff)}
      1: ${shutdown(SHUTDOWN_crash)}
        ${PRINTING.replace(
          'KICKCALL',
          hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, VARS.kick),
        ).replace('YIELD', hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0))}
        ${TRAPS}
        ${stubs()}
        ${boot(mode)}
        ${mode.routines}
        ${parts.routines}
        .balign 4
        ${trapTable()}
        ${names.join('\n')}`;
  return assemble(source, {
    origin: LEGACY_LAYOUT.code,
    symbols: {
      ...PLACES,
      ...VARIABLES,
      ...mode.symbols,
      ...parts.symbols,
      HYPERCALL_IRET,
      FLAT_DS: FLAT_KERNEL_DS,
    },
  });
}

/** SNAKE_CASE names of the words in VARS. */
const VARIABLES: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(VARS).map(([name, at]) => [name.replace(/[A-Z]/g, '_$&').toUpperCase(), at]),
);

/** What has to be there before the first row: shared_info, the console's ring, traps and the upcall. */
function boot({ translated }: Mode): string {
  const shared = translated
    ? 'add eax, BASE\nmov [SHARED], eax'
    : `or eax, 3\n${hypercall(__HYPERVISOR_update_va_mapping, PLACES.SHARED_VA, 'eax', 0, UVMF_INVLPG)}\n${words(VARS.shared, PLACES.SHARED_VA)}`;
  return `
boot:   mov eax, [START]
        mov eax, [eax+36]
        ${shared}
        mov eax, [START]
        mov eax, [eax+52]
        call vaof
        mov [CONSOLE], eax
        ${hypercall(__HYPERVISOR_set_trap_table, 'offset traps')}
        ${hypercall(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, 'offset upcall', FLAT_KERNEL_CS, 'offset upcall')}
        ret`;
}
