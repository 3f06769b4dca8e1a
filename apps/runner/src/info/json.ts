import type { ImageReport } from '@domu/toolstack';
import { regionsOf } from './regions.ts';

const PAGE_BYTES = 4096;

/**
 * A report for programs: what `inspectImage` says, with the layout as a list of regions.
 * @param configuration the xl.cfg file that names the image, or null
 */
export function reportJson(file: string, configuration: string | null, report: ImageReport): unknown {
  const { plan, ...rest } = report;
  return { file, configuration, ...rest, layout: plan === null ? null : layoutJson(plan) };
}

function layoutJson({ memoryMiB, paging, layout }: NonNullable<ImageReport['plan']>): unknown {
  const address = (value: number): string => `0x${value.toString(16)}`;
  return {
    memoryMiB,
    paging,
    pageTableLevels: layout.mode === 'pae' ? 3 : 2,
    virtBase: address(layout.virtBase),
    mappedPages: layout.mappedPages,
    regions: regionsOf(layout).map(({ name, pfn, pages, va }) => ({
      name,
      pfn,
      pages,
      start: address(va),
      end: address(va + pages * PAGE_BYTES),
    })),
  };
}
