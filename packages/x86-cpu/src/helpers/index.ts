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
};
