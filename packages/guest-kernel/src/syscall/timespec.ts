/** Times as system calls pass them: two words of 32 bits, or of 64 (the _time64 calls). */
import { E } from '../abi/errno.ts';
import type { UserMemory } from '../fs/types.ts';

export const NS_PER_SECOND = 1_000_000_000n;

/** @returns nanoseconds, or -EFAULT, -EINVAL */
export function readTimespec(user: UserMemory, va: number, bits: 32 | 64): bigint | number {
  const bytes = new Uint8Array(bits / 4);
  if (!user.read(va, bytes)) return -E.FAULT;
  const view = new DataView(bytes.buffer);
  const seconds = bits === 32 ? BigInt(view.getInt32(0, true)) : view.getBigInt64(0, true);
  // The upper half of the nanoseconds of a 64-bit timespec is padding.
  const ns = view.getInt32(bits / 8, true);
  if (seconds < 0n || ns < 0 || ns >= 1_000_000_000) return -E.INVAL;
  return (seconds > 1n << 33n ? 1n << 33n : seconds) * NS_PER_SECOND + BigInt(ns);
}

export function writeTimespec(user: UserMemory, va: number, ns: bigint, bits: 32 | 64): boolean {
  const view = new DataView(new ArrayBuffer(bits / 4));
  if (bits === 32) view.setInt32(0, Number(BigInt.asIntN(32, ns / NS_PER_SECOND)), true);
  else view.setBigInt64(0, ns / NS_PER_SECOND, true);
  view.setInt32(bits / 8, Number(ns % NS_PER_SECOND), true);
  return user.write(va, new Uint8Array(view.buffer));
}

/** struct timeval of 32 bits. @returns nanoseconds, or -EFAULT, -EINVAL */
export function readTimeval(user: UserMemory, va: number): bigint | number {
  const seconds = user.read32(va);
  const us = user.read32(va + 4);
  if (seconds === undefined || us === undefined) return -E.FAULT;
  if ((seconds | 0) < 0 || us >= 1_000_000) return -E.INVAL;
  return BigInt(seconds) * NS_PER_SECOND + BigInt(us) * 1000n;
}

export function writeTimeval(user: UserMemory, va: number, ns: bigint): boolean {
  return (
    user.write32(va, Number(BigInt.asUintN(32, ns / NS_PER_SECOND))) &&
    user.write32(va + 4, Number((ns % NS_PER_SECOND) / 1000n))
  );
}
