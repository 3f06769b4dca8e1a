import type { Descriptor } from './descriptor.ts';
import {
  dplOf,
  isConforming,
  isNull,
  isReadable,
  isSystem,
  isWritable,
  lookUp,
  rplOf,
} from './descriptor.ts';
import type { Helper, HelperCpu, HelperStatus } from './helper-cpu.ts';

/** System descriptor types that LAR and LSL show. Source: SDM vol. 2, LAR and LSL */
const LAR_TYPES: readonly number[] = [1, 2, 3, 4, 5, 9, 0xb, 0xc];
const LSL_TYPES: readonly number[] = [1, 2, 3, 9, 0xb];

const isAccessible = (cpu: HelperCpu, selector: number, attr: number): boolean =>
  isConforming(attr) || dplOf(attr) >= Math.max(cpu.cpl, rplOf(selector));

/** The descriptor if the current level may see it, null if not, or the status of a page fault. */
function visible(
  cpu: HelperCpu,
  selector: number,
  accepts: (attr: number) => boolean,
): Descriptor | null | HelperStatus {
  if (isNull(selector)) return null;
  const d = lookUp(cpu, selector);
  if (d === null || typeof d === 'number') return d;
  return accepts(d.attr) && isAccessible(cpu, selector, d.attr) ? d : null;
}

/** Result 0: whether the descriptor is visible; result 1: `value` of it. */
const report =
  (accepts: (attr: number) => boolean, value: (d: Descriptor) => number): Helper =>
  (cpu, selector) => {
    const d = visible(cpu, selector & 0xffff, accepts);
    if (typeof d === 'number') return d;
    cpu.setResult(0, d ? 1 : 0);
    cpu.setResult(1, d ? value(d) : 0);
    return 0;
  };

const systemTypes =
  (types: readonly number[]) =>
  (attr: number): boolean =>
    !isSystem(attr) || types.includes(attr & 0xf);

/** LAR: access rights, the upper descriptor word under 00FFFF00. */
export const lar: Helper = report(systemTypes(LAR_TYPES), (d) => d.high & 0x00ffff00);
/** LSL: the limit in bytes. */
export const lsl: Helper = report(systemTypes(LSL_TYPES), (d) => d.limit);
/** VERR: may the current level read through this selector? */
export const verr: Helper = report(isReadable, () => 0);
/** VERW: may it write? */
export const verw: Helper = report(isWritable, () => 0);
