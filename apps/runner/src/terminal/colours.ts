import pc from 'picocolors';
import type { Output } from '../io.ts';

/** How text may be coloured. */
export type Colours = ReturnType<typeof pc.createColors>;

/** Colours for a stream: none unless it is a terminal, and none when NO_COLOR is set. */
export function coloursFor(output: Output): Colours {
  return pc.createColors(output.isTTY === true && pc.isColorSupported);
}
