/** Signals: numbers, actions, codes. Source: arch/x86/include/uapi/asm/signal.h, include/uapi/asm-generic/siginfo.h. */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
export const SIGRTMIN = 32;
export const NSIG = 64;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const SA_NOCLDSTOP = 1;
export const SA_NOCLDWAIT = 2;
export const SA_SIGINFO = 4;
export const SA_ONSTACK = 0x0800_0000;
export const SA_RESTART = 0x1000_0000;
export const SA_NODEFER = 0x4000_0000;
export const SA_RESETHAND = 0x8000_0000;
export const SA_RESTORER = 0x0400_0000;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const MINSIGSTKSZ = 2048;

/** siginfo.si_code. */
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_TKILL = -6;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const ILL_ILLOPN = 2;
export const FPE_INTDIV = 1;
export const FPE_INTOVF = 2;
export const FPE_FLTDIV = 3;
export const FPE_FLTOVF = 4;
export const FPE_FLTUND = 5;
export const FPE_FLTRES = 6;
export const FPE_FLTINV = 7;
export const TRAP_BRKPT = 1;
export const TRAP_TRACE = 2;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** A set of signals: bit n - 1 stands for signal n. */
export type SignalSet = bigint;
export const signalBit = (signal: number): SignalSet => 1n << BigInt(signal - 1);
export const NO_SIGNALS: SignalSet = 0n;
export const ALL_SIGNALS: SignalSet = (1n << 64n) - 1n;
/** Cannot be blocked, caught or ignored. */
export const UNBLOCKABLE: SignalSet = signalBit(SIGKILL) | signalBit(SIGSTOP);
const setOf = (...signals: readonly number[]): SignalSet =>
  signals.reduce((set, signal) => set | signalBit(signal), NO_SIGNALS);
/** Stop a process by default. */
export const STOPPING: SignalSet = setOf(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU);
export const IGNORED_BY_DEFAULT: SignalSet = setOf(SIGCHLD, SIGCONT, SIGURG, SIGWINCH);
/** Those that an instruction of the process itself causes: delivered first. */
export const SYNCHRONOUS: SignalSet = setOf(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS);

/** What a signal carries: the fields of siginfo_t that its code has. */
export interface SignalInfo {
  readonly signal: number;
  readonly code: number;
  readonly pid?: number;
  readonly uid?: number;
  /** SIGCHLD: exit status or signal. */
  readonly status?: number;
  /** Fault address. */
  readonly address?: number;
  /** sigval of sigqueue, timers. */
  readonly value?: number;
  readonly errno?: number;
  readonly timerId?: number;
  readonly overrun?: number;
}

/** struct sigaction as the kernel keeps it. */
export interface SignalAction {
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
  readonly mask: SignalSet;
}

export const DEFAULT_ACTION: SignalAction = {
  handler: SIG_DFL,
  flags: 0,
  restorer: 0,
  mask: NO_SIGNALS,
};
