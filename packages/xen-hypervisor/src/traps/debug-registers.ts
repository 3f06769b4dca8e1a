import { XEN_ENODEV, XEN_EPERM } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';
import { CR4_DE } from './control-registers.ts';

/** Reserved bits read back as these. */
export const DR6_DEFAULT: number = 0xffff_0ff0 | 0;
export const DR7_DEFAULT = 0x400;
const DR6_ZEROS = 0x1000;
const DR7_ZEROS = 0xd800;
const DR7_GENERAL_DETECT = 0x2000;
/** Local and global enable bits of the four breakpoints. */
const DR7_ACTIVE = 0xff;
const CONTROL_SHIFT = 16;
const CONTROL_SIZE = 4;
const TYPE_IO = 2;

/**
 * set_debugreg and `mov dr`: on refusal the old value stays.
 * @returns 0; -ENODEV no such register (4 and 5 with CR4.DE set): #UD for `mov dr`; -EPERM a value that is valid but not
 * allowed: #GP for `mov dr`
 * Source: xen/arch/x86/pv/misc-hypercalls.c set_debugreg @ RELEASE-4.18.0
 */
export function setDebugreg(vcpu: Vcpu, reg: number, value: number): number {
  const index = resolve(vcpu, reg);
  if (index < 0) return -XEN_ENODEV;
  let effective = value | 0;
  if (index < 4) {
    if (value >>> 0 >= vcpu.domain.hypervisorVirtStart) return -XEN_EPERM;
  } else if (index === 6) {
    effective = (value | DR6_DEFAULT) & ~DR6_ZEROS;
  } else {
    effective = (value & ~DR7_ZEROS) | DR7_DEFAULT;
    const rc = checkDr7(vcpu, effective);
    if (rc !== 0) return rc;
  }
  vcpu.debugregs[index] = effective;
  vcpu.domain.machine.cpu.setDr(index, index === 7 ? withoutIoBreakpoints(effective) : effective);
  return 0;
}

/** @returns the value, or null when there is no such register */
export function getDebugreg(vcpu: Vcpu, reg: number): number | null {
  const index = resolve(vcpu, reg);
  return index < 0 ? null : vcpu.debugregs[index];
}

function resolve(vcpu: Vcpu, reg: number): number {
  if (reg > 7) return -1;
  if (reg !== 4 && reg !== 5) return reg;
  return (vcpu.cr4 & CR4_DE) !== 0 ? -1 : reg + 2;
}

function checkDr7(vcpu: Vcpu, value: number): number {
  if ((value & DR7_GENERAL_DETECT) !== 0) return -XEN_EPERM;
  if ((value & DR7_ACTIVE) === 0) return 0;
  for (let i = 0; i < 4; i++) {
    if (typeOf(value, i) === TYPE_IO && (vcpu.cr4 & CR4_DE) === 0) return -XEN_EPERM;
  }
  return 0;
}

/** Breakpoints on ports are Xen's to emulate; the CPU must not see them. */
function withoutIoBreakpoints(value: number): number {
  let effective = value;
  for (let i = 0; i < 4; i++) if (typeOf(value, i) === TYPE_IO) effective &= ~(3 << (2 * i));
  return effective;
}

const typeOf = (dr7: number, i: number): number => (dr7 >>> (CONTROL_SHIFT + CONTROL_SIZE * i)) & 3;

/** Which enabled port breakpoints an access to [port, port + bytes) hits, as DR6 bits 0-3. */
export function ioBreakpoints(vcpu: Vcpu, port: number, bytes: number): number {
  if ((vcpu.cr4 & CR4_DE) === 0) return 0;
  const dr7 = vcpu.debugregs[7];
  let hits = 0;
  for (let i = 0; i < 4; i++) {
    if (typeOf(dr7, i) !== TYPE_IO || (dr7 & (3 << (2 * i))) === 0) continue;
    const width = [1, 2, 8, 4][(dr7 >>> (CONTROL_SHIFT + 2 + CONTROL_SIZE * i)) & 3];
    const start = vcpu.debugregs[i] >>> 0;
    if (start < port + bytes && start + width > port) hits |= 1 << i;
  }
  return hits;
}
