/** Results that never reach the user: how a system call that a signal interrupted goes on. Source: include/linux/errno.h. */
export const ERESTARTSYS = 512;
export const ERESTARTNOINTR = 513;
export const ERESTARTNOHAND = 514;
export const ERESTART_RESTARTBLOCK = 516;

/** How many bytes `int $0x80` is long: what EIP goes back to restart a call. */
export const INT80_BYTES = 2;
