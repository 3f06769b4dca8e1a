import { x87Examine, x87Free, x87Function } from '../x87/functions.ts';
import { x87Arith, x87Compare, x87Copy, x87Exchange, x87Load, x87Move, x87Store } from '../x87/helpers.ts';
import { x87Control, x87Image } from '../x87/image.ts';
import { enter } from './enter.ts';
import { farCall, farJump, farReturn } from './far-transfer.ts';
import type { Helper } from './helper-cpu.ts';
import { iret } from './iret.ts';
import { loadSegment } from './segment-load.ts';
import { cpuid, deferTraps, fpu, rdtsc, syscallAllowed, sysenterAllowed, systemRegister } from './system.ts';
import { lar, lsl, verr, verw } from './visibility.ts';

/** The helpers by the names that rows use in `Ops.helper`. */
export const HELPERS: Readonly<Record<string, Helper>> = {
  cpuid,
  deferTraps,
  enter,
  farCall,
  farJump,
  farReturn,
  fpu,
  iret,
  lar,
  loadSegment,
  lsl,
  rdtsc,
  syscallAllowed,
  sysenterAllowed,
  systemRegister,
  verr,
  verw,
  x87Arith,
  x87Compare,
  x87Control,
  x87Copy,
  x87Examine,
  x87Exchange,
  x87Free,
  x87Function,
  x87Image,
  x87Load,
  x87Move,
  x87Store,
};
