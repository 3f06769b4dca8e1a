export { type Assembled, type AssembleOptions, assemble } from './asm/assembler.ts';
export { AssemblyError } from './asm/source-error.ts';
export { FakeClock, type FakeClockOptions } from './fake-clock.ts';
export { FakeGuestPort, type HypercallHandler } from './fake-guest-port.ts';
export { FlatMachine, type FlatMachineOptions } from './flat-machine.ts';
export { type TwoDomains, twoDomains } from './guests/two-domains.ts';
export {
  buildElf,
  encodeNotes,
  PT_LOAD,
  PT_NOTE,
  type TestNote,
  type TestSection,
  type TestSegment,
} from './kernel/elf-image.ts';
export { LEGACY_LAYOUT, legacyKernel } from './kernel/legacy-kernel.ts';
export { BASE_NOTES, testKernel } from './kernel/xen-kernel.ts';
