import type { Vcpu } from '../vcpu.ts';

/** Emulates a kernel's write to one of its own L1 tables. @returns false when the #PF is the guest's own */
export function emulatePageTableWrite(_vcpu: Vcpu, _errorCode: number, _cr2: number): boolean {
  return false;
}
