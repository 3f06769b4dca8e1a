import type { PinKind } from './active-entry.ts';
import type { GrantFrames } from './frames.ts';

const writes = (kind: PinKind): boolean => kind === 'hstw' || kind === 'devw';

/**
 * Takes what each pin of a grant holds on its frame: a reference to `owner`'s frame, and the writable type for a writer.
 * @returns false when the frame is no longer the owner's, or is in use as a page table or descriptor page; nothing is then held
 */
export function takeFrameRefs(
  frames: GrantFrames,
  frame: { readonly owner: number; readonly mfn: number },
  kinds: readonly PinKind[],
): boolean {
  const taken: PinKind[] = [];
  for (const kind of kinds) {
    if (!frames.getPage(frame.owner, frame.mfn)) {
      dropFrameRefs(frames, frame.mfn, taken);
      return false;
    }
    if (writes(kind) && !frames.getWritable(frame.mfn)) {
      frames.putPage(frame.mfn);
      dropFrameRefs(frames, frame.mfn, taken);
      return false;
    }
    taken.push(kind);
  }
  return true;
}

/** Gives back what `takeFrameRefs` took. */
export function dropFrameRefs(frames: GrantFrames, mfn: number, kinds: readonly PinKind[]): void {
  for (const kind of kinds) {
    if (writes(kind)) frames.putWritable(mfn);
    frames.putPage(mfn);
  }
}
