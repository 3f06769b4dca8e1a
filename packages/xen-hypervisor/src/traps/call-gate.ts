import type { Vcpu } from '../vcpu.ts';

/** Emulates a far call through a guest's call gate. @returns false when the #GP is the guest's own */
export function emulateCallGate(_vcpu: Vcpu, _selectorCode: number): boolean {
  return false;
}
