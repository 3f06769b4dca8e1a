import { expect, it } from 'vitest';
import { objection } from './units.mjs';

const inPackages = (from, to) => objection(`packages/${from}`, `packages/${to}`);

it('imports go down', () => {
  expect(inPackages('xen-hypervisor/src/domain.ts', 'xen-abi/src/index.ts')).toBeUndefined();
  expect(inPackages('xen-abi/src/errno.ts', 'xen-hypervisor/src/index.ts')).toMatch('may not import');
  expect(inPackages('shadow-mmu/src/walk.ts', 'x86-cpu/src/index.ts')).toBeUndefined();
  expect(inPackages('x86-cpu/src/tlb.ts', 'xen-abi/src/index.ts')).toMatch('may not import');
  expect(inPackages('toolstack/src/elf/elf.ts', 'xen-hypervisor/src/index.ts')).toBeUndefined();
  expect(inPackages('xen-hypervisor/src/domain.ts', 'toolstack/src/index.ts')).toMatch('may not import');
});

it('the hypervisor side and the guest side never import each other', () => {
  expect(inPackages('event-channel/src/guest/upcall.ts', 'event-channel/src/hypervisor/port.ts')).toMatch(
    'may not',
  );
  expect(inPackages('event-channel/src/hypervisor/port.ts', 'event-channel/src/guest/upcall.ts')).toMatch(
    'may not',
  );
  expect(inPackages('blkfront/src/device.ts', 'grant-table/src/guest/index.ts')).toBeUndefined();
  expect(inPackages('blkfront/src/device.ts', 'grant-table/src/hypervisor/index.ts')).toMatch(
    'may not import',
  );
  expect(inPackages('xen-hypervisor/src/domain.ts', 'grant-table/src/guest/index.ts')).toMatch(
    'may not import',
  );
  expect(inPackages('guest-kernel/src/index.ts', 'xenstore/src/client/index.ts')).toBeUndefined();
  expect(inPackages('guest-kernel/src/index.ts', 'xen-hypervisor/src/index.ts')).toMatch('may not import');
});

it('only an app sees both sides', () => {
  expect(objection('apps/runner/src/main.ts', 'packages/xen-hypervisor/src/index.ts')).toBeUndefined();
  expect(objection('apps/runner/src/main.ts', 'packages/guest-kernel/src/index.ts')).toBeUndefined();
  expect(objection('packages/toolstack/src/index.ts', 'apps/runner/src/main.ts')).toMatch('may not import');
});

it('a package with two sides has no third place for code', () => {
  expect(inPackages('event-channel/src/common.ts', 'xen-abi/src/index.ts')).toMatch('belongs to no unit');
  expect(inPackages('event-channel/src/guest/upcall.ts', 'event-channel/src/common.ts')).toMatch(
    'may not import',
  );
});

it('Node modules are for apps, host adapters and tests', () => {
  const node = (from) => objection(from, 'node:fs', true);
  expect(node('packages/backends/src/blkback.ts')).toMatch('no Node modules');
  expect(node('packages/backends/src/node/raw-file.ts')).toBeUndefined();
  expect(node('apps/runner/src/main.ts')).toBeUndefined();
  expect(node('packages/x86-cpu/src/decode.test.ts')).toBeUndefined();
  expect(node('packages/x86-cpu/tools/record.ts')).toBeUndefined();
  expect(inPackages('backends/src/blkback.ts', 'backends/src/node/raw-file.ts')).toMatch('may not import');
});

it('tests see the testkit and both sides of their own package, but do not reach up', () => {
  expect(inPackages('x86-cpu/src/decode.test.ts', 'testkit/src/index.ts')).toBeUndefined();
  expect(inPackages('x86-cpu/src/decode.ts', 'testkit/src/index.ts')).toMatch('only tests');
  expect(
    inPackages('grant-table/src/guest/a.test.ts', 'grant-table/src/hypervisor/index.ts'),
  ).toBeUndefined();
  expect(inPackages('grant-table/src/testing.ts', 'xen-abi/src/index.ts')).toBeUndefined();
  expect(inPackages('grant-table/src/guest/a.test.ts', 'xen-hypervisor/src/index.ts')).toMatch(
    'may not import',
  );
  expect(inPackages('x86-cpu/src/decode.ts', 'x86-cpu/src/testing.ts')).toMatch('may not import its tests');
});
