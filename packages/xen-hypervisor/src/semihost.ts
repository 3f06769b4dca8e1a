import { SEMIHOST_LENGTH, SEMIHOST_PREFIX } from '@domu/xen-abi';
import type { Vcpu } from './vcpu.ts';
import { VcpuPort } from './vcpu-port.ts';

const [, , FIRST, SECOND, THIRD] = SEMIHOST_PREFIX;
/** The bytes behind `ud2` as a little-endian word, without the index. */
const SIGNATURE = FIRST | (SECOND << 8) | (THIRD << 16);

/**
 * Calls the domain's kernel if the #UD at EIP is a semihosting instruction in ring 1.
 * @returns false when it is not, or the domain's kernel is all machine code: the #UD is the guest's own then
 */
export function callSemihost(vcpu: Vcpu): boolean {
  const { machine, semihost } = vcpu.domain;
  const { cpu } = machine;
  if (semihost === null || cpu.cpl !== 1) return false;
  const { eip } = cpu;
  if (cpu.readLinear(eip, 2, false) !== (SEMIHOST_PREFIX[0] | (SEMIHOST_PREFIX[1] << 8))) return false;
  const word = cpu.readLinear((eip + 2) >>> 0, 4, false);
  if ((word & 0xff_ffff) !== SIGNATURE) return false;
  cpu.eip = (eip + SEMIHOST_LENGTH) >>> 0;
  machine.counters.semihostCalls++;
  vcpu.port ??= new VcpuPort(vcpu);
  const { observer } = machine;
  observer?.kernelBegins(vcpu, word >>> 24);
  semihost(vcpu.port, word >>> 24);
  observer?.kernelEnds(vcpu);
  return true;
}
