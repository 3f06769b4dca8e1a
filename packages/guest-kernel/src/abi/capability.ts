/** Capabilities, as bits of a set. Source: linux include/uapi/linux/capability.h */

const bit = (n: number): bigint => 1n << BigInt(n);

export const CAP_CHOWN: bigint = bit(0);
export const CAP_DAC_OVERRIDE: bigint = bit(1);
export const CAP_DAC_READ_SEARCH: bigint = bit(2);
export const CAP_FOWNER: bigint = bit(3);
export const CAP_FSETID: bigint = bit(4);
export const CAP_KILL: bigint = bit(5);
export const CAP_SETGID: bigint = bit(6);
export const CAP_SETUID: bigint = bit(7);
export const CAP_SETPCAP: bigint = bit(8);
export const CAP_LINUX_IMMUTABLE: bigint = bit(9);
export const CAP_NET_BIND_SERVICE: bigint = bit(10);
export const CAP_NET_ADMIN: bigint = bit(12);
export const CAP_NET_RAW: bigint = bit(13);
export const CAP_IPC_OWNER: bigint = bit(15);
export const CAP_SYS_CHROOT: bigint = bit(18);
export const CAP_SYS_PTRACE: bigint = bit(19);
export const CAP_SYS_ADMIN: bigint = bit(21);
export const CAP_SYS_BOOT: bigint = bit(22);
export const CAP_SYS_NICE: bigint = bit(23);
export const CAP_SYS_RESOURCE: bigint = bit(24);
export const CAP_SYS_TIME: bigint = bit(25);
export const CAP_SYS_TTY_CONFIG: bigint = bit(26);
export const CAP_MKNOD: bigint = bit(27);

/** CAP_AUDIT_READ, as of Linux 4.19. */
export const CAP_LAST_CAP = 37;
export const ALL_CAPABILITIES: bigint = bit(CAP_LAST_CAP + 1) - 1n;
export const NO_CAPABILITIES = 0n;

/** Those that have to do with files, which go and come with the file system user (CAP_FS_SET). */
export const FILE_CAPABILITIES: bigint =
  CAP_CHOWN |
  CAP_DAC_OVERRIDE |
  CAP_DAC_READ_SEARCH |
  CAP_FOWNER |
  CAP_FSETID |
  CAP_LINUX_IMMUTABLE |
  CAP_MKNOD;

/** @returns the set of one capability, or undefined when there is none with this number */
export function capability(number: number): bigint | undefined {
  return number <= CAP_LAST_CAP ? bit(number) : undefined;
}
