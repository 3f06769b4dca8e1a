import { type Assembled, assemble, LEGACY_LAYOUT } from '@domu/testkit';
import { __HYPERVISOR_sched_op, SCHEDOP_shutdown, SHUTDOWN_crash, SHUTDOWN_poweroff } from '@domu/xen-abi';

const { data, hypercallPage } = LEGACY_LAYOUT;
const PAGE = 4096;

/** Words that the program keeps for its host and for itself. */
export const VARS = {
  /** Number of the check under way. */
  step: data,
  /** EAX of the check that failed. */
  got: data + 4,
  startInfo: data + 8,
  /** What the last page fault was, -1 before one. */
  faultCode: data + 12,
  faultCr2: data + 16,
  resume: data + 20,
  reason: data + 24,
  /** Linear address of struct shared_info. */
  shared: data + 28,
  scratch: data + 32,
} as const;

/** A page of zeros of the image, by number. */
export const page = (i: number): number => data + (1 + i) * PAGE;

/** Code that leaves a value in EAX, and what it shall be. */
export interface Check {
  readonly name: string;
  readonly code: string;
  /** A number or an expression of the assembler. */
  readonly expect: number | string;
}

export const check = (name: string, expect: number | string, ...code: string[]): Check => ({
  name,
  expect,
  code: code.join('\n'),
});

const REGISTERS = ['ebx', 'ecx', 'edx', 'esi', 'edi'];

/** A call through the hypercall page; arguments are anything that `mov` takes. */
export function hypercall(nr: number, ...args: readonly (number | string)[]): string {
  const loads = args.map((arg, i) => `mov ${REGISTERS[i]}, ${arg}`);
  return [...loads, `mov eax, ${hypercallPage + nr * 32}`, 'call eax'].join('\n');
}

/** Stores words at a linear address; clobbers EAX for those that are no numbers. */
export function words(at: number, ...values: readonly (number | string)[]): string {
  return values
    .map((value, i) => {
      const target = `dword ptr [${at + 4 * i}]`;
      return typeof value === 'number' ? `mov ${target}, ${value}` : `mov eax, ${value}\nmov ${target}, eax`;
    })
    .join('\n');
}

/** The error code of the page fault that an instruction raises, -1 for none. */
export const faultOf = (instruction: string): string =>
  [
    `mov dword ptr [${VARS.faultCode}], -1`,
    `mov eax, offset 1f`,
    `mov [${VARS.resume}], eax`,
    instruction,
    `1: mov eax, [${VARS.faultCode}]`,
  ].join('\n');

/**
 * Assembles the checks into a kernel that makes one after the other and powers off; at the first wrong one it notes step and
 * result and shuts down as crashed. A page fault goes on at `resume`, after its error code and CR2 have been noted.
 */
export function checkProgram(
  checks: readonly Check[],
  symbols: Record<string, number>,
  routines = '',
): Assembled {
  const shutdown = (reason: number): string =>
    `${words(VARS.reason, reason)}\n${hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, VARS.reason)}\nhlt_here${reason}: jmp hlt_here${reason}`;
  const body = checks.map(
    ({ code, expect }, i) => `
      mov dword ptr [${VARS.step}], ${i}
      ${code}
      cmp eax, ${expect}
      jne failed`,
  );
  const source = `
      mov [${VARS.startInfo}], esi
      cld
      ${body.join('\n')}
      ${shutdown(SHUTDOWN_poweroff)}
    failed:
      mov [${VARS.got}], eax
      ${shutdown(SHUTDOWN_crash)}
    page_fault:
      pop dword ptr [${VARS.faultCode}]
      push eax
      mov eax, [${VARS.shared}]
      mov eax, [eax+8]
      mov [${VARS.faultCr2}], eax
      mov eax, [${VARS.resume}]
      mov [esp+4], eax
      pop eax
      iretd
      ${routines}`;
  return assemble(source, { origin: LEGACY_LAYOUT.code, symbols });
}
