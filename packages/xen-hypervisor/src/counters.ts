/** What `--stats` reports; plain counts since the machine was made. */
export class Counters {
  /** Hypercalls by number (index 0..63; higher numbers are counted in `unknownHypercalls`). */
  readonly hypercalls: Uint32Array = new Uint32Array(64);
  unknownHypercalls: number = 0;
  /** Exceptions and soft interrupts that left the guest, by vector. */
  readonly traps: Uint32Array = new Uint32Array(256);
  /** Event upcalls delivered. */
  upcalls: number = 0;
  /** Privileged instructions emulated for ring 1. */
  emulated: number = 0;
  /** Entries into kernels that are TypeScript. */
  semihostCalls: number = 0;
  /** vCPU switches of the physical CPU. */
  contextSwitches: number = 0;
}
