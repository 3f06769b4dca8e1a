import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble, testKernel } from '@domu/testkit';
import { VcpuGuestContext } from '@domu/xen-abi';
import { type Domain, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { describe, expect, test } from 'vitest';
import { buildDomain, pagingModeOf, planDomain } from '../builder/build.ts';
import { loadKernel } from '../elf/kernel.ts';
import { coreDump } from './core-dump.ts';

const MEMORY_MIB = 4;
const SOURCE = `
    mov esi, 0x12345678
    push 3                  # SHUTDOWN_crash
    mov ecx, esp
    mov ebx, 2              # SCHEDOP_shutdown
    mov eax, 29
    int 0x82
after: jmp after
`;
const program = assemble(SOURCE, { origin: 0x100000 });
const KERNEL = testKernel([], [...program.bytes]);

/** A guest that set a register and called itself crashed. */
function crashed(): Domain {
  const kernel = loadKernel(KERNEL);
  if (!kernel.ok) throw new Error(kernel.error);
  const input = { kernel: kernel.value, ramdisk: null, cmdline: new Uint8Array(0), memoryMiB: MEMORY_MIB };
  const layout = planDomain(input);
  if (!layout.ok) throw new Error(layout.error.message);
  const machine = new Machine({ memoryMiB: MEMORY_MIB + 4, clock: new VirtualClock() });
  const domain = machine.createDomain({
    maxPages: MEMORY_MIB * 256,
    vcpus: 2,
    mode: pagingModeOf(kernel.value),
  });
  const built = buildDomain(domain, layout.value, input);
  if (!built.ok) throw new Error(built.error);
  domain.unpause();
  machine.run(1000);
  if (domain.crash?.reason !== 'it shut down as crashed')
    throw new Error(`the guest did something else: ${domain.crash?.reason}`);
  return domain;
}

const domain = crashed();
const dump = Buffer.concat([...coreDump(domain)]);

interface Found {
  readonly offset: number;
  readonly size: number;
}

function section(name: string): Found {
  const [shoff, shnum, strndx] = [
    Number(dump.readBigUInt64LE(40)),
    dump.readUInt16LE(60),
    dump.readUInt16LE(62),
  ];
  const place = (i: number): Found => ({
    offset: Number(dump.readBigUInt64LE(shoff + i * 64 + 24)),
    size: Number(dump.readBigUInt64LE(shoff + i * 64 + 32)),
  });
  const strings = place(strndx).offset;
  for (let i = 0; i < shnum; i++) {
    const at = strings + dump.readUInt32LE(shoff + i * 64);
    if (dump.toString('latin1', at, dump.indexOf(0, at)) === name) return place(i);
  }
  throw new Error(`no section ${name}`);
}

describe('a core dump', () => {
  test('holds the registers of each initialised vCPU as struct vcpu_guest_context', () => {
    const { offset, size } = section('.xen_prstatus');
    expect(size).toBe(VcpuGuestContext.size);
    const view = new DataView(dump.buffer, dump.byteOffset + offset, size);
    const { user_regs: regs } = VcpuGuestContext;
    expect(regs.esi.get(view, 0)).toBe(0x12345678);
    expect(regs.ebx.get(view, 0)).toBe(2);
    expect(regs.eip.get(view, 0)).toBe(program.address('after'));
    expect(regs.cs.get(view, 0)).toBe(0xe019);
    expect(VcpuGuestContext.ctrlreg.get(view, 0, 3)).not.toBe(0);
  });

  test('holds all pages in order of pfn, and which frame each was', () => {
    const p2m = section('.xen_p2m');
    const pages = section('.xen_pages');
    expect(pages.offset % 4096).toBe(0);
    expect(p2m.size / 16).toBe(MEMORY_MIB * 256);
    expect(pages.size).toBe(MEMORY_MIB * 256 * 4096);
    for (const pfn of [0, 0x100, 0x3ff]) {
      expect(Number(dump.readBigUInt64LE(p2m.offset + 16 * pfn))).toBe(pfn);
      const mfn = Number(dump.readBigUInt64LE(p2m.offset + 16 * pfn + 8));
      expect(domain.machine.m2p.get(mfn)).toBe(pfn);
      const page = dump.subarray(pages.offset + pfn * 4096, pages.offset + (pfn + 1) * 4096);
      expect(page.equals(domain.machine.memory.frame(mfn))).toBe(true);
    }
    expect(dump.readUInt8(pages.offset + 0x100 * 4096)).toBe(0xbe);
  });

  test('says in notes what it is: magic, counts, Xen, format version', () => {
    const { offset } = section('.note.Xen');
    const notes: [number, Buffer][] = [];
    for (let at = offset; notes.length < 4; ) {
      const [namesz, descsz, type] = [0, 4, 8].map((i) => dump.readUInt32LE(at + i));
      expect(dump.toString('latin1', at + 12, at + 12 + namesz)).toBe('Xen\0');
      notes.push([type, dump.subarray(at + 12 + namesz, at + 12 + namesz + descsz)]);
      at += 12 + namesz + descsz;
    }
    expect(notes.map(([type]) => type)).toEqual([0x2000000, 0x2000001, 0x2000002, 0x2000003]);
    const header = notes[1][1];
    expect([0, 8, 16, 24].map((i) => Number(header.readBigUInt64LE(i)))).toEqual([0xf00febed, 1, 1024, 4096]);
    const xen = notes[2][1];
    expect(Number(xen.readBigUInt64LE(0))).toBe(4);
    expect(xen.readUInt32LE(1264)).toBe(0xf5800000);
    expect(Number(xen.readBigUInt64LE(1268))).toBe(4096);
  });

  test.skipIf(spawnSync('readelf', ['--version']).status !== 0)(
    'is read by readelf without a complaint (where there is one)',
    () => {
      const directory = mkdtempSync(join(tmpdir(), 'domu-core-'));
      const file = join(directory, 'guest.core');
      writeFileSync(file, dump);
      const { status, stdout, stderr } = spawnSync('readelf', ['-aW', file], { encoding: 'utf8' });
      rmSync(directory, { recursive: true });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/Type: +CORE/);
      expect(stdout).toMatch(/Machine: +Intel 80386/);
      for (const name of ['.note.Xen', '.xen_prstatus', '.xen_shared_info', '.xen_pages', '.xen_p2m']) {
        expect(stdout).toContain(name);
      }
    },
  );
});
