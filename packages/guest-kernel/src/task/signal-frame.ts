/**
 * The frames that signal handlers run on, as i386 programs know them.
 * Source: linux arch/x86/include/uapi/asm/sigcontext.h, arch/x86/include/asm/sigframe.h, arch/x86/kernel/signal.c.
 */
import {
  NO_SIGNALS,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESTORER,
  SA_SIGINFO,
  SI_TIMER,
  SIGCHLD,
  type SignalAction,
  type SignalInfo,
  SS_DISABLE,
  SS_ONSTACK,
  signalBit,
  UNBLOCKABLE,
} from '../abi/signals.ts';
import { USER_CS, USER_DS } from '../boot/layout.ts';
import { FXSAVE_BYTES } from '../mm/fpu.ts';
import type { Task } from './task.ts';
import * as R from './user-registers.ts';

const SIGCONTEXT_BYTES = 88;
/** struct _fpstate_32: the FSAVE image, then the FXSAVE image. */
const LEGACY_FPU_BYTES = 112;
export const FPSTATE_BYTES: number = LEGACY_FPU_BYTES + FXSAVE_BYTES;
const SIGINFO_BYTES = 128;

/** struct sigframe: pretcode, sig, sigcontext, an unused fpstate, extramask, retcode. */
const PLAIN = { context: 8, extraMask: 8 + SIGCONTEXT_BYTES + FPSTATE_BYTES, retcode: 724, bytes: 732 };
/** struct rt_sigframe: pretcode, sig, pinfo, puc, info, ucontext (flags, link, stack, sigcontext, mask), retcode. */
const RT = { info: 16, ucontext: 16 + SIGINFO_BYTES, retcode: 0, bytes: 0, context: 0, mask: 0 };
RT.context = RT.ucontext + 20;
RT.mask = RT.context + SIGCONTEXT_BYTES;
RT.retcode = RT.mask + 8;
RT.bytes = RT.retcode + 8;

/** pop eax; mov eax, __NR_sigreturn; int 0x80 */
const RETCODE = [0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80];
/** mov eax, __NR_rt_sigreturn; int 0x80 */
const RT_RETCODE = [0xb8, 0xad, 0, 0, 0, 0xcd, 0x80, 0];

/** Registers of sigcontext in order: index into the task's registers. */
const CONTEXT_ORDER: readonly number[] = [
  ...[R.GS, R.FS, R.ES, R.DS, R.EDI, R.ESI, R.EBP, R.ESP],
  ...[R.EBX, R.EDX, R.ECX, R.EAX],
];

/** Makes the handler the next thing that the task runs in user mode. @returns false when its stack cannot be written */
export function enterHandler(task: Task, info: SignalInfo, action: SignalAction): boolean {
  const { regs, kernel } = task;
  const rt = (action.flags & SA_SIGINFO) !== 0;
  const layout = rt ? RT : PLAIN;
  let sp = regs[R.ESP];
  const onStack = isOnAltStack(task, sp);
  if (action.flags & SA_ONSTACK && !onStack && !(task.altStack.flags & SS_DISABLE))
    sp = task.altStack.sp + task.altStack.size;
  const fpu = kernel.fpu.read(task);
  let fpstate = 0;
  if (fpu !== null) {
    fpstate = ((sp - FPSTATE_BYTES) & ~63) >>> 0;
    sp = fpstate;
    if (!kernel.user.write(fpstate, fpuFrame(fpu))) return false;
  }
  sp = ((((sp - layout.bytes) >>> 0) + 4) & ~15) - 4;
  sp >>>= 0;
  const frame = new Uint8Array(layout.bytes);
  const view = new DataView(frame.buffer);
  const restorer = action.flags & SA_RESTORER ? action.restorer : (sp + layout.retcode) >>> 0;
  view.setUint32(0, restorer, true);
  view.setUint32(4, info.signal, true);
  const oldMask = task.maskToRestore ?? task.blocked;
  writeContext(view, layout.context, task, { fpstate, mask: Number(oldMask & 0xffff_ffffn) });
  if (rt) {
    view.setUint32(8, sp + RT.info, true);
    view.setUint32(12, sp + RT.ucontext, true);
    frame.set(encodeSigInfo(info), RT.info);
    view.setUint32(RT.ucontext + 8, task.altStack.sp, true);
    view.setInt32(RT.ucontext + 12, altStackFlags(task, regs[R.ESP]), true);
    view.setUint32(RT.ucontext + 16, task.altStack.size, true);
    view.setBigUint64(RT.mask, oldMask, true);
    frame.set(RT_RETCODE, RT.retcode);
  } else {
    view.setUint32(PLAIN.extraMask, Number(oldMask >> 32n), true);
    frame.set(RETCODE, PLAIN.retcode);
  }
  if (!kernel.user.write(sp, frame)) return false;
  regs[R.ESP] = sp;
  regs[R.EIP] = action.handler;
  regs[R.EAX] = info.signal;
  regs[R.EDX] = rt ? sp + RT.info : 0;
  regs[R.ECX] = rt ? sp + RT.ucontext : 0;
  regs[R.DS] = USER_DS;
  regs[R.ES] = USER_DS;
  regs[R.SS] = USER_DS;
  regs[R.CS] = USER_CS;
  regs[R.EFLAGS] &= ~(R.EFLAGS_DF | R.EFLAGS_TF | 0x1_0000);
  task.maskToRestore = null;
  const own = action.flags & SA_NODEFER ? NO_SIGNALS : signalBit(info.signal);
  task.blocked = (task.blocked | action.mask | own) & ~UNBLOCKABLE;
  return true;
}

export function isOnAltStack(task: Task, sp: number): boolean {
  const { altStack } = task;
  return !(altStack.flags & SS_DISABLE) && sp > altStack.sp && sp - altStack.sp <= altStack.size;
}

export function altStackFlags(task: Task, sp: number): number {
  if (task.altStack.flags & SS_DISABLE) return SS_DISABLE;
  return isOnAltStack(task, sp) ? SS_ONSTACK : 0;
}

function writeContext(
  view: DataView,
  at: number,
  task: Task,
  more: { readonly fpstate: number; readonly mask: number },
): void {
  const { regs } = task;
  for (const [i, register] of CONTEXT_ORDER.entries()) view.setUint32(at + 4 * i, regs[register], true);
  const rest = [
    ...[task.trapNumber, task.faultCode, regs[R.EIP], regs[R.CS], regs[R.EFLAGS], regs[R.ESP], regs[R.SS]],
    ...[more.fpstate, more.mask, task.faultAddress],
  ];
  for (const [i, value] of rest.entries()) view.setUint32(at + 48 + 4 * i, value >>> 0, true);
}

/** sigreturn and rt_sigreturn. @returns false when the frame cannot be read: the task deserves SIGSEGV */
export function leaveHandler(task: Task, rt: boolean): boolean {
  const { kernel, regs } = task;
  const layout = rt ? RT : PLAIN;
  // The return address has been popped, and by the plain code the signal number as well.
  const sp = (regs[R.ESP] - (rt ? 4 : 8)) >>> 0;
  const frame = new Uint8Array(layout.bytes);
  if (!kernel.user.read(sp, frame)) return false;
  const view = new DataView(frame.buffer);
  const at = layout.context;
  const word = (i: number): number => view.getUint32(at + 4 * i, true);
  const fpstate = word(19);
  let fpu: Uint8Array | null = null;
  if (fpstate !== 0) {
    fpu = new Uint8Array(FXSAVE_BYTES);
    if (!kernel.user.read(fpstate + LEGACY_FPU_BYTES, fpu)) return false;
  }
  for (const [i, register] of CONTEXT_ORDER.entries()) regs[register] = word(i);
  for (const selector of [R.GS, R.FS, R.ES, R.DS]) regs[selector] &= 0xffff;
  regs[R.EIP] = word(14);
  regs[R.CS] = (word(15) & 0xffff) | 3;
  regs[R.EFLAGS] =
    (regs[R.EFLAGS] & ~R.USER_FLAGS) | (word(16) & R.USER_FLAGS) | R.EFLAGS_IF | R.EFLAGS_FIXED;
  regs[R.SS] = (word(18) & 0xffff) | 3;
  if (!kernel.fpu.write(task, fpu)) return false;
  const low = BigInt(view.getUint32(at + 80, true));
  const mask = rt
    ? view.getBigUint64(RT.mask, true)
    : low | (BigInt(view.getUint32(PLAIN.extraMask, true)) << 32n);
  kernel.signals.setBlocked(task, mask);
  if (rt) {
    const flags = view.getInt32(RT.ucontext + 12, true);
    if (flags === 0 || flags === SS_DISABLE || flags === SS_ONSTACK)
      task.altStack = {
        sp: view.getUint32(RT.ucontext + 8, true),
        size: view.getUint32(RT.ucontext + 16, true),
        flags: flags & SS_DISABLE,
      };
  }
  return true;
}

/** struct _fpstate_32 from an FXSAVE image. */
function fpuFrame(image: Uint8Array): Uint8Array {
  const out = new Uint8Array(FPSTATE_BYTES);
  const to = new DataView(out.buffer);
  const from = new DataView(image.buffer, image.byteOffset);
  to.setUint32(0, 0xffff_0000 | from.getUint16(0, true), true);
  to.setUint32(4, 0xffff_0000 | from.getUint16(2, true), true);
  to.setUint32(8, 0xffff_0000 | fullTag(image), true);
  to.setUint32(12, from.getUint32(8, true), true);
  to.setUint32(16, from.getUint16(12, true) | (from.getUint16(6, true) << 16), true);
  to.setUint32(20, from.getUint32(16, true), true);
  to.setUint32(24, 0xffff_0000 | from.getUint16(20, true), true);
  for (let i = 0; i < 8; i++) out.set(image.subarray(32 + 16 * i, 42 + 16 * i), 28 + 10 * i);
  to.setUint16(108, from.getUint16(2, true), true);
  out.set(image, LEGACY_FPU_BYTES);
  return out;
}

/** The 16-bit tag word from FXSAVE's 8-bit one: valid, zero, special or empty. */
function fullTag(image: Uint8Array): number {
  const top = (image[3] >>> 3) & 7;
  let tags = 0;
  for (let physical = 0; physical < 8; physical++) {
    const at = 32 + 16 * ((physical - top) & 7);
    tags |= (((image[4] >>> physical) & 1) === 0 ? 3 : kindOf(image.subarray(at, at + 10))) << (2 * physical);
  }
  return tags;
}

function kindOf(register: Uint8Array): number {
  const exponent = (register[8] | (register[9] << 8)) & 0x7fff;
  if (exponent === 0x7fff) return 2;
  if (exponent === 0) return register.subarray(0, 8).every((byte) => byte === 0) ? 1 : 2;
  return (register[7] & 0x80) !== 0 ? 0 : 2;
}

/** siginfo_t. */
export function encodeSigInfo(info: SignalInfo): Uint8Array {
  const bytes = new Uint8Array(SIGINFO_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, info.signal, true);
  view.setInt32(4, info.errno ?? 0, true);
  view.setInt32(8, info.code, true);
  if (info.code === SI_TIMER) {
    view.setInt32(12, info.timerId ?? 0, true);
    view.setInt32(16, info.overrun ?? 0, true);
  } else if (info.address !== undefined) {
    view.setUint32(12, info.address, true);
    return bytes;
  } else {
    view.setInt32(12, info.pid ?? 0, true);
    view.setUint32(16, info.uid ?? 0, true);
  }
  view.setInt32(20, info.signal === SIGCHLD ? (info.status ?? 0) : (info.value ?? 0), true);
  return bytes;
}
