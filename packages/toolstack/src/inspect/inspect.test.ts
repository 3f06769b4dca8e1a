import { gzipSync } from 'node:zlib';
import { BASE_NOTES, buildElf, encodeNotes, legacyKernel, PT_NOTE, testKernel } from '@domu/testkit';
import * as note from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bzImageOf, kernel64 } from '../../test/images.ts';
import { type ImageReport, inspectImage } from './inspect.ts';

const inspect = (bytes: Uint8Array, memoryMiB = 128): ImageReport => inspectImage(bytes, { memoryMiB });
const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const refusal = ({ boot }: ImageReport): string => (boot.ok ? 'boots' : `${boot.why} | ${boot.advice}`);

/** What Linux since 5.9 says: everything of PV but ENTRY. */
const PVH_LINUX_NOTES = [
  { type: note.XEN_ELFNOTE_GUEST_OS, desc: 'linux' },
  { type: note.XEN_ELFNOTE_XEN_VERSION, desc: 'xen-3.0' },
  { type: note.XEN_ELFNOTE_LOADER, desc: 'generic' },
  { type: note.XEN_ELFNOTE_VIRT_BASE, desc: 0xc0000000 },
  { type: note.XEN_ELFNOTE_PADDR_OFFSET, desc: 0 },
  { type: note.XEN_ELFNOTE_PAE_MODE, desc: 'yes' },
  { type: note.XEN_ELFNOTE_SUPPORTED_FEATURES, desc: 0x8801 },
  { type: note.XEN_ELFNOTE_L1_MFN_VALID, desc: 1 },
  { type: note.XEN_ELFNOTE_PHYS32_ENTRY, desc: 0x10002e0 },
];
const pvhLinux = (): Uint8Array =>
  buildElf({
    entry: 0x1000000,
    segments: [
      { paddr: 0x1000000, bytes: new Uint8Array(64), memsz: 0x4000 },
      { type: PT_NOTE, paddr: 0, bytes: encodeNotes(PVH_LINUX_NOTES) },
    ],
  });

describe('inspectImage, of kernels', () => {
  test('a PV kernel boots: headers, decoded notes, features and layout are told', () => {
    const features = { type: note.XEN_ELFNOTE_FEATURES, desc: '!writable_page_tables|pae_pgdir_above_4gb' };
    const report = inspect(testKernel([features]));
    expect(report).toMatchObject({
      kind: 'elf',
      boot: { ok: true },
      elf: { bits: 32, endianness: 'little', machine: 'i386', type: 'executable', entry: '0x100000' },
      plan: { memoryMiB: 128, paging: 'direct', layout: { mode: 'pae', nrPages: 32768 } },
    });
    expect(report.elf?.segments[0]).toMatchObject({ type: 'LOAD', access: 'rwx', memoryBytes: 0x10000 });
    expect(report.xen?.notes).toContainEqual({ name: 'HYPERCALL_PAGE', value: '0x101000' });
    expect(report.xen?.notes).toContainEqual({ name: 'PAE_MODE', value: 'yes' });
    const feature = (name: string): unknown => report.xen?.features.find((each) => each.name === name);
    expect(feature('writable_page_tables')).toMatchObject({ required: true, offered: true });
    expect(feature('pae_pgdir_above_4gb')).toMatchObject({ required: false, supported: true });
    expect(feature('highmem_assist')).toMatchObject({ supported: false, offered: true });
  });

  test('one that describes itself in __xen_guest, for translated paging', () => {
    const features = 'writable_page_tables|!auto_translated_physmap';
    const report = inspect(legacyKernel({ code: new Uint8Array(16), pae: false, features }));
    expect(report).toMatchObject({
      boot: { ok: true },
      xen: { source: '__xen_guest' },
      plan: { paging: 'translated', layout: { mode: 'classic' } },
    });
    expect(report.xen?.notes).toContainEqual({ name: 'VIRT_BASE', value: '0xc0000000' });
  });

  test('features that nobody offers stop it', () => {
    const features = { type: note.XEN_ELFNOTE_FEATURES, desc: '!dom0|!time_travel' };
    const report = inspect(testKernel([features]));
    expect(report.xen?.unknownRequired).toEqual(['time_travel']);
    expect(refusal(report)).toMatch(/the kernel requires "time_travel"/);
  });

  test('memory that is too small', () => {
    expect(refusal(inspect(testKernel(), 1))).toMatch(/1 MiB are too little .* \| .*--memory/);
  });

  test('a 64-bit kernel: its notes are read, and the 32-bit build is recommended', () => {
    const report = inspect(kernel64([...BASE_NOTES, { type: note.XEN_ELFNOTE_ENTRY, desc: 0 }]));
    expect(report).toMatchObject({
      elf: { bits: 64, machine: 'x86-64', entry: '0xffffffff81000000' },
      xen: { source: 'notes' },
      plan: null,
    });
    expect(refusal(report)).toMatch(/^a 64-bit ELF file; .* \| .*take the 32-bit PV build/);
    const grub = inspect(kernel64([{ type: note.XEN_ELFNOTE_GUEST_OS, desc: 'GRUB' }]));
    expect(refusal(grub)).toMatch(/grub-i386-xen\.bin \(domu fetch grub\)$/);
  });

  test('Linux 5.9 and later: a PVH kernel in a bzImage', () => {
    const report = inspect(bzImageOf(pvhLinux(), '6.1.0-50-686-pae (x@y) #1 SMP'));
    expect(report).toMatchObject({
      kind: 'bzimage',
      linux: { protocol: '2.13', version: '6.1.0-50-686-pae (x@y) #1 SMP', is64Bit: false },
      packed: { compression: 'gzip', kind: 'elf' },
    });
    expect(report.xen?.notes).toContainEqual({
      name: 'SUPPORTED_FEATURES',
      value: '0x8801 (writable_page_tables dom0)',
    });
    expect(report.xen?.notes).toContainEqual({ name: 'L1_MFN_VALID', value: '01 00 00 00' });
    expect(refusal(report)).toMatch(/^a PVH kernel .* \| Linux has had no 32-bit PV since 5\.9/);
  });

  test('a kernel without notes, an object file, a program', () => {
    const plain = { segments: [{ paddr: 0x100000, bytes: new Uint8Array(16) }], entry: 0x100000 };
    expect(refusal(inspect(buildElf(plain)))).toMatch(/without Xen notes .* \| .*ELF notes of owner "Xen"/);
    const object = buildElf(plain);
    object[16] = 1;
    expect(refusal(inspect(object))).toMatch(/relocatable .* \| link it first/);
    const interpreter = { type: 3, paddr: 0, bytes: text('/lib/ld-linux.so.2\0') };
    const program = inspect(buildElf({ segments: [...plain.segments, interpreter] }));
    expect(program.elf?.interpreter).toBe('/lib/ld-linux.so.2');
    expect(refusal(program)).toMatch(/\| this is a program, not a kernel/);
  });

  test('a compressed kernel boots; compressed text does not', () => {
    expect(inspect(gzipSync(testKernel()))).toMatchObject({
      kind: 'compressed',
      packed: { compression: 'gzip', kind: 'elf' },
      boot: { ok: true },
    });
    expect(refusal(inspect(gzipSync(text('hello\n'))))).toMatch(/\| this is text/);
    expect(refusal(inspect(gzipSync(testKernel()).subarray(0, 100)))).toMatch(
      /gzip data \| the file is damaged/,
    );
  });
});

describe('inspectImage, of other files', () => {
  const at = (offset: number, magic: string): Uint8Array => {
    const bytes = new Uint8Array(offset + magic.length + 16);
    bytes.set(
      Uint8Array.from(magic, (c) => c.charCodeAt(0)),
      offset,
    );
    return bytes;
  };
  const cases: [string, Uint8Array, string, RegExp][] = [
    ['an empty file', new Uint8Array(0), 'empty', /^an empty file; .*\| .*domu fetch grub/],
    ['a shell script', text('#!/bin/sh -e\necho hello\n'), 'script', /\| a script runs on the host/],
    ['text', text('hello\tworld\n'), 'text', /\| this is text/],
    ['an initramfs', text('070701000000'), 'cpio', /--ramdisk/],
    ['a tar archive', at(257, 'ustar'), 'tar', /--rootfs/],
    ['a Debian package', text('!<arch>\ndebian-binary'), 'deb', /dpkg-deb -x/],
    ['a zip archive', at(0, 'PK\x03\x04'), 'zip', /unpack it/],
    ['a Windows program', at(0, 'MZ\x90'), 'pe', /Windows or EFI/],
    ['a qcow2 image', at(0, 'QFI\xfb'), 'qcow2', /qcow2,xvda/],
    ['an ext2 image', at(1080, '\x53\xef'), 'ext', /--rootfs/],
    ['a CD', at(0x8001, 'CD001'), 'iso9660', /cdrom/],
    ['a disk', at(510, '\x55\xaa'), 'boot-sector', /--disk/],
    ['noise', Uint8Array.of(1, 0, 2), 'data', /nothing here knows/],
    ['half an ELF header', text('\x7fELF\x01'), 'elf', /^truncated.*\| the file is damaged/],
  ];
  test.each(cases)('%s', (_, bytes, kind, says) => {
    const report = inspect(bytes);
    expect(report.kind).toBe(kind);
    expect(refusal(report)).toMatch(says);
  });

  test('the interpreter of a script is told', () => {
    expect(inspect(text('#!/bin/sh -e\n\x1b[2J')).interpreter).toBe('/bin/sh -e');
  });

  test('kernels for other machines, of either byte order', () => {
    expect(refusal(inspect(kernel64([], 183)))).toMatch(/i386/);
    const big = testKernel();
    big.set([2], 5);
    expect(inspect(big)).toMatchObject({ elf: { endianness: 'big' }, boot: { ok: false } });
  });

  test('whatever is in a file, it is described and not thrown at', () => {
    const images = [testKernel(), kernel64(BASE_NOTES), bzImageOf(pvhLinux(), 'x')];
    const change = fc.tuple(fc.nat(700), fc.nat(255));
    fc.assert(
      fc.property(
        fc.nat(images.length - 1),
        fc.array(change, { maxLength: 8 }),
        fc.nat(2000),
        (i, changes, cut) => {
          const bytes = images[i].slice(0, Math.max(cut, 64));
          for (const [where, value] of changes) if (where < bytes.length) bytes[where] = value;
          const report = inspect(bytes);
          expect(report.boot.ok || report.boot.advice.length > 0).toBe(true);
        },
      ),
      { seed: 8, numRuns: 500 },
    );
  });
});
