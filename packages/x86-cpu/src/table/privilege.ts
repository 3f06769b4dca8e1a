import { Exit, Vector } from '../names.ts';
import type { Sem } from './common.ts';

/** Allowed at CPL 0 only, where the embedder emulates it. */
export const privileged: Sem = (o) => {
  o.faultIf(o.ne(o.cpl(), o.c(0)), Vector.GP, o.c(0));
  o.exit(Exit.Privileged, o.c(0));
};

/** A port access: allowed by IOPL only, as there is no TSS whose I/O bitmap could allow it. */
export const portAccess: Sem = (o) => {
  o.faultIf(o.ltU(o.iopl(), o.cpl()), Vector.GP, o.c(0));
  o.exit(Exit.Privileged, o.c(0));
};
