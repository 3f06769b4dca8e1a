import { expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { guestKernelImage } from './image.ts';
import { ENTRY_BOOT, IMAGE_START } from './layout.ts';
import { entryStub, STUB_FPU, STUB_IDLE, STUB_RESUME } from './stubs.ts';

it('the image is an ELF file whose entry is the stub that starts the kernel', () => {
  const image = guestKernelImage();
  const view = new DataView(image.buffer);
  expect([...image.subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
  expect(view.getUint32(24, true)).toBe(entryStub(ENTRY_BOOT));
  const stub = image.subarray(0x1000 + entryStub(ENTRY_BOOT) - IMAGE_START);
  expect([...stub.subarray(0, 6)]).toEqual([0x0f, 0x0b, 0x64, 0x6f, 0x6d, ENTRY_BOOT]);
});

it('stubs do not overlap', () => {
  expect(STUB_RESUME).toBeGreaterThanOrEqual(entryStub(256));
  expect(STUB_IDLE - STUB_RESUME).toBeGreaterThanOrEqual(15);
  expect(STUB_FPU - STUB_IDLE).toBeGreaterThanOrEqual(20);
});

it('what the kernel does not know goes to init, and everything behind --', () => {
  const options = parseCommandLine(
    'root=/dev/xvda ro console=hvc0 quiet single KEY=value a.b=c init=/bin/sh -- -x ro',
  );
  expect(options).toMatchObject({
    init: '/bin/sh',
    initArguments: ['single', '-x', 'ro'],
    initEnvironment: ['KEY=value'],
    root: '/dev/xvda',
    rootType: null,
    rootFlags: '',
    readonly: true,
    quiet: true,
  });
});
