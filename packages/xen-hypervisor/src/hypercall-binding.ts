import type { HypercallHandler } from './caller.ts';

/** What a row of the hypercall table says about one hypercall; the note is for people (SUPPORT.md). */
export type Binding =
  | { readonly support: 'full'; readonly handler: HypercallHandler }
  | { readonly support: 'partial'; readonly handler: HypercallHandler; readonly note: string }
  | { readonly support: 'absent'; readonly errno: number; readonly note: string };

/** Everything Xen's own implementation does for an unprivileged PV domain is there. */
export const full = (handler: HypercallHandler): Binding => ({ support: 'full', handler });

/** Works as far as the note says. */
export const partial = (handler: HypercallHandler, note: string): Binding => ({
  support: 'partial',
  handler,
  note,
});

/** Not implemented: every call returns `-errno`, which is what Xen returns to an ordinary domain. */
export const absent = (errno: number, note: string): Binding => ({ support: 'absent', errno, note });
