import { HYPERCALL_NAMES } from '@domu/xen-abi';
import { FIRST_INSTRUCTION, type Step, type Value } from './call.ts';

/** The same failure: the words of it, without numbers. */
export const failureKind = (failure: string): string => failure.split('\n')[0].replace(/[0-9]+/g, 'N');

/**
 * Drops steps as long as the rest still fails in the same way: large pieces first, then single ones.
 * @param fails runs the steps from the start and tells how they failed
 * @param budget most runs
 */
export function shrink(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => string | null,
  budget: number = 2_000,
): readonly Step[] {
  const failure = fails(steps);
  if (failure === null) return steps;
  const kind = failureKind(failure);
  const stillFails = (some: readonly Step[]): boolean => {
    const other = fails(some);
    return other !== null && failureKind(other).slice(0, 24) === kind.slice(0, 24);
  };
  let kept = steps;
  let runs = 0;
  for (let size = Math.ceil(kept.length / 2); size >= 1 && runs < budget; ) {
    let dropped = false;
    for (let at = kept.length - size; at > -size && runs < budget; at -= size) {
      const rest = [...kept.slice(0, Math.max(0, at)), ...kept.slice(at + size)];
      runs++;
      if (rest.length === kept.length || !stillFails(rest)) continue;
      kept = rest;
      dropped = true;
    }
    if (size === 1 && !dropped) break;
    if (size > 1) size = Math.ceil(size / 2);
  }
  return kept;
}

function text(value: Value): string {
  if (typeof value === 'number') return value < 10 ? String(value) : `0x${(value >>> 0).toString(16)}`;
  switch (value.kind) {
    case 'block':
      return `&${value.offset}`;
    case 'mapping':
      return `mapping${value.index}.${value.part}`;
    case 'now':
      return `now+${value.add}`;
    case 'domid':
      return `dom${value.guest}${value.shift || value.low ? `<<${value.shift}|0x${value.low.toString(16)}` : ''}`;
    case 'frame': {
      const frame = `${value.guest < 0 ? '' : `guest${value.guest}.`}page${value.page}`;
      const entry = value.slot === undefined ? '' : `[${value.slot}]`;
      return value.mul === 1 ? frame : `${frame}${entry}*${value.mul}+0x${value.add.toString(16)}`;
    }
  }
}

/** A table of steps: who, what, arguments, argument block. */
export function table(steps: readonly Step[]): string {
  return steps
    .map(({ batch, guest, vcpu, nr, args, words }) => {
      const name =
        nr >= FIRST_INSTRUCTION
          ? (['store', 'load gs', 'mov cr3', 'load'][nr - FIRST_INSTRUCTION] ?? String(nr))
          : (HYPERCALL_NAMES[nr] ?? String(nr));
      const block = words.length > 0 ? `  [${words.map(text).join(' ')}]` : '';
      return `batch ${batch} guest ${guest} vcpu ${vcpu}  ${name}(${args.map(text).join(', ')})${block}`;
    })
    .join('\n');
}
