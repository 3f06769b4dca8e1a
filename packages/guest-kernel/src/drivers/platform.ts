/** What every frontend needs of the kernel: the store, grants, pages. */

import type { GuestEvents } from '@domu/event-channel/guest';
import { GuestGrants, type KernelPages } from '@domu/grant-table/guest';
import type { GuestPort, LinearAddr } from '@domu/xen-abi';
import { GuestRingPage, XenStoreClient } from '@domu/xenstore/client';
import type { StartOfDay } from '../boot/start-of-day.ts';
import type { Frames } from '../mm/frames.ts';
import { frameVa, vaFrame } from '../mm/ram.ts';

/** The Xen side of the kernel, as drivers see it. */
export interface Platform {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly grants: GuestGrants;
  readonly pages: KernelPages;
  readonly store: XenStoreClient;
}

/** @returns the platform, or null when the store's port cannot be used: then there are no devices */
export function openPlatform(port: GuestPort, start: StartOfDay): Platform | null {
  const { events, frames, store: place } = start;
  const scratch = frames.alloc();
  if (scratch < 0) return null;
  const grants = new GuestGrants(port, {
    scratch: frameVa(scratch) as LinearAddr,
    mapFrame: (_index, gfn) => frameVa(gfn) as LinearAddr,
  });
  let notify = (): void => {};
  const store = new XenStoreClient({ page: new GuestRingPage(port, place.page), notify: () => notify() });
  const bound = events.adopt(place.port, () => store.onEvent());
  if (typeof bound === 'number') return null;
  notify = () => void bound.notify();
  return { guest: port, events, grants, pages: kernelPages(frames), store };
}

function kernelPages(frames: Frames): KernelPages {
  return {
    alloc: () => {
      const frame = frames.alloc();
      return frame < 0 ? null : { va: frameVa(frame) as LinearAddr, gfn: frame };
    },
    free: ({ va }) => frames.put(vaFrame(va)),
  };
}
