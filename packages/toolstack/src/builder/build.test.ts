import { testKernel } from '@domu/testkit';
import { EVTCHNSTAT_unbound, GTF_permit_access, SHUTDOWN_reboot, StartInfo } from '@domu/xen-abi';
import { type Domain, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { describe, expect, test } from 'vitest';
import { type Kernel, loadKernel } from '../elf/kernel.ts';
import { type BuiltDomain, buildDomain, pagingModeOf, planDomain } from './build.ts';

/** mov $2,%ebx; mov $reason,%ecx; mov $hypercall_page+sched_op,%eax; call *%eax; jmp . — with reason 1 (reboot) behind. */
const REBOOT = [
  ...[0xbb, 2, 0, 0, 0],
  ...[0xb9, 0x20, 0x00, 0x10, 0x00],
  ...[0xb8, 0xa0, 0x13, 0x10, 0x00],
  ...[0xff, 0xd0],
  ...[0xeb, 0xfe],
  ...new Array<number>(0x20 - 19).fill(0x90),
  ...[SHUTDOWN_reboot, 0, 0, 0],
];

function kernelOf(bytes: Uint8Array): Kernel {
  const kernel = loadKernel(bytes);
  if (!kernel.ok) throw new Error(kernel.error);
  return kernel.value;
}

function build(
  kernel: Kernel,
  options: { ramdisk?: Uint8Array; cmdline?: string } = {},
): { machine: Machine; domain: Domain; built: BuiltDomain } {
  const machine = new Machine({ memoryMiB: 24, clock: new VirtualClock() });
  const input = {
    kernel,
    ramdisk: options.ramdisk ?? null,
    cmdline: new TextEncoder().encode(options.cmdline ?? ''),
    memoryMiB: 16,
  };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const domain = machine.createDomain({ maxPages: 4096, mode: pagingModeOf(kernel) });
  const built = buildDomain(domain, layout.value, input);
  if (!built.ok) throw new Error(built.error);
  return { machine, domain, built: built.value };
}

describe('buildDomain', () => {
  test('the guest enters at its entry point, with start_info in esi and the boot stack in esp', () => {
    const { machine, domain, built } = build(kernelOf(testKernel([], REBOOT)));
    machine.withRegisters(domain.vcpus[0], (cpu) => {
      expect(cpu.eip).toBe(0x100000);
      expect([cpu.seg.selector(1), cpu.seg.selector(2), cpu.seg.selector(3)]).toEqual([
        0xe019, 0xe021, 0xe021,
      ]);
      expect(cpu.regs[4] >>> 0).toBe(built.layout.bootStack.va + 4096);
      expect(cpu.regs[6] >>> 0).toBe(built.layout.startInfo.va);
      expect(cpu.cpl).toBe(1);
    });
    expect(domain.vcpus[0].upcallMask).toBe(true);
  });

  test('its code runs, and reaches Xen through the hypercall page', () => {
    const { machine, domain } = build(kernelOf(testKernel([], REBOOT)));
    let code = -1;
    domain.onShutdown = (reason) => {
      code = reason;
    };
    domain.unpause();
    machine.run(10_000);
    machine.run(1);
    expect(domain.crash).toBeNull();
    expect(code).toBe(SHUTDOWN_reboot);
  });

  test('p2m list and M2P agree, and the guest owns exactly its pages', () => {
    const { machine, domain, built } = build(kernelOf(testKernel()));
    expect(domain.totPages).toBe(4096);
    const root = domain.vcpus[0].rootMfn;
    for (const pfn of [0, 0x100, 0x101, built.layout.mappedPages - 1]) {
      const listAt = built.layout.p2m.va + pfn * 4;
      const listMfn = domain.paging.linearToMfn(root, listAt);
      const mfn = machine.memory.view.getUint32(listMfn * 4096 + (listAt % 4096), true);
      expect(machine.m2p.get(mfn)).toBe(pfn);
      expect(domain.paging.linearToMfn(root, pfn * 4096)).toBe(mfn);
    }
  });

  test('start_info names the rings, whose ports wait for domain 0 and whose pages are granted to it', () => {
    const ramdisk = Uint8Array.from('initrd', (c) => c.charCodeAt(0));
    const { machine, domain, built } = build(kernelOf(testKernel()), { ramdisk, cmdline: 'console=hvc0' });
    const page = domain.paging.linearToMfn(domain.vcpus[0].rootMfn, built.layout.startInfo.va);
    const { view } = machine.memory;
    const base = page * 4096;
    expect(StartInfo.magic.getText(view, base)).toBe('xen-3.0-x86_32p');
    expect(StartInfo.cmd_line.getText(view, base)).toBe('console=hvc0');
    expect(StartInfo.store_mfn.get(view, base)).toBe(built.store.mfn);
    expect([built.store.port, built.console.port]).toEqual([1, 2]);
    expect(domain.evtchn.status(1)).toMatchObject({ status: EVTCHNSTAT_unbound, u0: 0 });
    const grants = machine.memory.view;
    const table = domain.grants.sharedFrame(0) * 4096;
    expect([grants.getUint16(table, true), grants.getUint32(table + 4, true)]).toEqual([
      GTF_permit_access,
      built.console.mfn,
    ]);
    expect(grants.getUint32(table + 12, true)).toBe(built.store.mfn);
    const modStart = StartInfo.mod_start.get(view, base);
    const module = domain.paging.linearToMfn(domain.vcpus[0].rootMfn, modStart) * 4096;
    expect(String.fromCharCode(...machine.memory.u8.subarray(module, module + 6))).toBe('initrd');
  });

  test('page tables are typed, pinned and not writable', () => {
    const { machine, domain, built } = build(kernelOf(testKernel()));
    const root = domain.vcpus[0].rootMfn;
    expect(machine.frames.isPinned(root)).toBe(true);
    expect(domain.paging.translate(root, built.layout.pageTables.va, 1, false)).toBeLessThan(0);
    expect(domain.paging.translate(root, built.layout.pageTables.va, 0, false)).toBeGreaterThan(0);
  });

  test('a kernel without PAE gets 2-level tables', () => {
    const { domain } = build({ ...kernelOf(testKernel()), pae: 'no' });
    expect(domain.mode).toBe('classic');
  });

  test('memory that is used up is reported, not thrown', () => {
    const kernel = kernelOf(testKernel());
    const machine = new Machine({ memoryMiB: 8, clock: new VirtualClock() });
    const input = { kernel, ramdisk: null, cmdline: new Uint8Array(0), memoryMiB: 16 };
    const layout = planDomain(input);
    if (!layout.ok) throw new Error(layout.error.message);
    const domain = machine.createDomain({ maxPages: 4096 });
    expect(buildDomain(domain, layout.value, input)).toEqual({
      ok: false,
      error: 'machine memory is used up',
    });
  });
});
