import type { Layout, Region } from '@domu/toolstack';

/** A stretch of a domain's memory and what is in it at the start. */
export interface NamedRegion extends Region {
  readonly name: string;
}

/** The stretches of a layout in the order of their addresses. */
export function regionsOf(layout: Layout): NamedRegion[] {
  const { kernel, initrd, p2m, startInfo, xenstore, console, sharedInfo, pageTables, bootStack } = layout;
  const named: [string, Region | null][] = [
    ['kernel', kernel],
    ['initial RAM disk', initrd],
    ['p2m list', p2m],
    ['start_info', startInfo],
    ['xenstore ring', xenstore],
    ['console ring', console],
    ['shared_info', sharedInfo],
    ['page tables', pageTables],
    ['boot stack', bootStack],
  ];
  return named
    .flatMap(([name, region]) => (region === null ? [] : [{ name, ...region }]))
    .sort((a, b) => a.pfn - b.pfn);
}
