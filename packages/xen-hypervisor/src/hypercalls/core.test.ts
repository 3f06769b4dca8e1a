import {
  __HYPERVISOR_callback_op,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_multicall,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_sysctl,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_xen_version,
  FLAT_KERNEL_CS,
  MMU_MACHPHYS_UPDATE,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_SET_LDT,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_UNPIN_TABLE,
  UVMF_INVLPG,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENODEV,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
  XENVER_capabilities,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_pagesize,
  XENVER_version,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, DATA, GUEST_PAGES } from '../testing.ts';
import { paddedText } from './version.ts';

const UNMAPPED = 0x20_0000;
const DOMID_SELF = 0x7ff0;
const bench = new CallBench();
afterEach(() => bench.clear());

describe('dispatch', () => {
  it('an unknown number is -ENOSYS and counted; a privileged one is -EPERM', () => {
    const guest = bench.guest();
    expect(guest.call(63)).toBe(-XEN_ENOSYS);
    expect(guest.call(0xffff_ffff)).toBe(-XEN_ENOSYS);
    expect(guest.call(__HYPERVISOR_sysctl, DATA)).toBe(-XEN_EPERM);
  });
});

describe('xen_version', () => {
  it('4.18, page size 4096, and -EINVAL for a page size with an argument', () => {
    const guest = bench.guest();
    expect(guest.call(__HYPERVISOR_xen_version, XENVER_version, 0)).toBe(0x0004_0012);
    expect(guest.call(__HYPERVISOR_xen_version, XENVER_pagesize, 0)).toBe(4096);
    expect(guest.call(__HYPERVISOR_xen_version, XENVER_pagesize, DATA)).toBe(-XEN_EINVAL);
  });

  it.each([
    [XENVER_extraversion, 16],
    [XENVER_compile_info, 144],
    [XENVER_capabilities, 1024],
  ])('xsa-122: buffer of command %i is zero behind its text, all %i bytes are written', (cmd, length) => {
    const guest = bench.guest();
    for (let i = 0; i <= length; i++) guest.vcpu.mem.writeU8(DATA + i, 0xa5);
    expect(guest.call(__HYPERVISOR_xen_version, cmd, DATA)).toBe(0);
    const bytes = guest.vcpu.mem.read(DATA, length + 1) ?? new Uint8Array();
    expect(bytes.indexOf(0xa5)).toBe(length);
    expect(bytes[length - 1]).toBe(0);
  });

  it('features of a direct-paging guest; only submap 0 exists', () => {
    const guest = bench.guest();
    expect(guest.callWith(__HYPERVISOR_xen_version, XENVER_get_features, [0, 0])).toBe(0);
    expect(guest.read32(DATA + 4)).toBe(
      (1 << 5) | (1 << 6) | (1 << 7) | (1 << 13) | (1 << 17) | (1 << 18) | (1 << 19),
    );
    expect(guest.callWith(__HYPERVISOR_xen_version, XENVER_get_features, [1, 0])).toBe(-XEN_EINVAL);
  });

  it('text is cut so that a NUL remains', () => {
    expect([...paddedText('abcdef', 4)]).toEqual([97, 98, 99, 0]);
  });
});

describe('multicall', () => {
  const entry = (op: number, ...args: number[]): number[] => [
    op,
    0xaaaa,
    ...args,
    ...new Array(6 - args.length).fill(0),
  ];

  it('writes each result, and a failing call does not stop the list', () => {
    const guest = bench.guest();
    guest.writeWords([
      ...entry(63),
      ...entry(__HYPERVISOR_multicall, DATA, 1),
      ...entry(__HYPERVISOR_xen_version, XENVER_version),
    ]);
    expect(guest.call(__HYPERVISOR_multicall, DATA, 3)).toBe(0);
    const results = [0, 1, 2].map((i) => guest.read32(DATA + 32 * i + 4) | 0);
    expect(results).toEqual([-XEN_ENOSYS, -XEN_EINVAL, 0x0004_0012]);
  });

  it('an unreadable list is -EFAULT', () => {
    expect(bench.guest().call(__HYPERVISOR_multicall, UNMAPPED, 1)).toBe(-XEN_EFAULT);
    expect(bench.guest().call(__HYPERVISOR_multicall, 0xf580_0000, 1)).toBe(-XEN_EFAULT);
  });
});

describe('mmu_update', () => {
  it('stops at the first refusal and tells how many were done', () => {
    const guest = bench.guest();
    const mfn = guest.p2m[3];
    const request = (frame: number): number[] => [frame * 4096 + MMU_MACHPHYS_UPDATE, 0, 0x77, 0];
    guest.writeWords([...request(mfn), ...request(guest.machine.m2p.firstMfn), ...request(mfn)]);
    expect(guest.call(__HYPERVISOR_mmu_update, DATA, 3, DATA + 0x100, DOMID_SELF)).toBe(-XEN_EINVAL);
    expect(guest.read32(DATA + 0x100)).toBe(1);
    expect(guest.machine.m2p.get(mfn)).toBe(0x77);
  });

  it('another domain is -EPERM, one that does not exist -ESRCH', () => {
    const guest = bench.guest();
    expect(guest.call(__HYPERVISOR_mmu_update, DATA, 0, 0, 0)).toBe(-XEN_EPERM);
    expect(guest.call(__HYPERVISOR_mmu_update, DATA, 0, 0, 999)).toBe(-XEN_ESRCH);
    expect(guest.call(__HYPERVISOR_mmu_update, DATA, 0, 0, DOMID_SELF | (1000 << 16))).toBe(-XEN_ESRCH);
  });

  it('the continuation bit of the count is ignored', () => {
    const guest = bench.guest();
    guest.writeWords([guest.p2m[3] * 4096 + MMU_MACHPHYS_UPDATE, 0, 5, 0]);
    expect(guest.call(__HYPERVISOR_mmu_update, DATA, 0x8000_0001, 0, DOMID_SELF)).toBe(0);
    expect(guest.machine.m2p.get(guest.p2m[3])).toBe(5);
  });
});

describe('update_va_mapping', () => {
  it('changes a mapping, and a page table cannot become writable', () => {
    const guest = bench.guest();
    expect(guest.call(__HYPERVISOR_update_va_mapping, 0x3000, 0, 0, UVMF_INVLPG)).toBe(0);
    expect(guest.read32(0x3000)).toBe(-1);
    const table = ((guest.tables[5] << 12) | 3) >>> 0;
    expect(guest.call(__HYPERVISOR_update_va_mapping, 0x3000, table, 0, UVMF_INVLPG)).toBeLessThan(0);
    expect(guest.call(__HYPERVISOR_update_va_mapping, UNMAPPED, 0, 0, 0)).toBe(-XEN_EINVAL);
  });
});

describe('mmuext_op', () => {
  const op = (guest: ReturnType<typeof bench.guest>, cmd: number, arg1 = 0, arg2 = 0): number => {
    guest.writeWords([cmd, arg1, arg2]);
    return guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, DOMID_SELF);
  };

  it('flushes, pins of a fourth level and re-loading the root succeed', () => {
    const guest = bench.guest();
    expect(op(guest, MMUEXT_TLB_FLUSH_LOCAL)).toBe(0);
    expect(op(guest, MMUEXT_PIN_L4_TABLE, 0xffff)).toBe(0);
    expect(op(guest, MMUEXT_NEW_BASEPTR, guest.tables[0])).toBe(0);
    expect(op(guest, MMUEXT_NEW_BASEPTR, guest.p2m[0])).toBeLessThan(0);
    expect(op(guest, MMUEXT_UNPIN_TABLE, guest.p2m[0])).toBe(-XEN_EINVAL);
    expect(op(guest, 99)).toBe(-XEN_ENOSYS);
  });

  it('SET_LDT wants a page-aligned address and at most 8192 entries', () => {
    const guest = bench.guest();
    expect(op(guest, MMUEXT_SET_LDT, 0x3000, 8)).toBe(0);
    expect(guest.vcpu.ldtEnts).toBe(8);
    expect(op(guest, MMUEXT_SET_LDT, 0x3004, 8)).toBe(-XEN_EINVAL);
    expect(op(guest, MMUEXT_SET_LDT, 0x3000, 8193)).toBe(-XEN_EINVAL);
    expect(op(guest, MMUEXT_SET_LDT, 0, 0)).toBe(0);
  });
});

describe('descriptor tables and traps', () => {
  it('set_gdt takes frames that nothing maps writable, and keeps the old table when refused', () => {
    const guest = bench.guest();
    const page = GUEST_PAGES - 1;
    guest.writeWords([guest.p2m[page]]);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 512)).toBe(-XEN_EINVAL);
    const readOnly = ((guest.p2m[page] << 12) | 1) >>> 0;
    expect(guest.call(__HYPERVISOR_update_va_mapping, page * 4096, readOnly, 0, UVMF_INVLPG)).toBe(0);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 512)).toBe(0);
    guest.writeWords([guest.p2m[0]]);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 512)).toBe(-XEN_EINVAL);
    expect([guest.vcpu.gdtEnts, guest.vcpu.gdtFrames[0]]).toEqual([512, guest.p2m[page]]);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 7169)).toBe(-XEN_EINVAL);
    expect(guest.call(__HYPERVISOR_set_gdt, UNMAPPED, 512)).toBe(-XEN_EFAULT);
  });

  it('set_trap_table reads up to address 0, fixes RPL 0, keeps unlisted vectors; NULL clears', () => {
    const guest = bench.guest();
    guest.vcpu.traps.set(7, FLAT_KERNEL_CS, 0x7000, 0);
    guest.writeWords([0x0060_0003 | (4 << 8), 0x1234, 0, 0]);
    expect(guest.call(__HYPERVISOR_set_trap_table, DATA)).toBe(0);
    expect([guest.vcpu.traps.cs[3], guest.vcpu.traps.address[3], guest.vcpu.traps.masksEvents(3)]).toEqual([
      0x61,
      0x1234,
      true,
    ]);
    expect(guest.vcpu.traps.address[7]).toBe(0x7000);
    expect(guest.call(__HYPERVISOR_set_trap_table, 0)).toBe(0);
    expect(guest.vcpu.traps.address[7]).toBe(0);
    expect(guest.call(__HYPERVISOR_set_trap_table, UNMAPPED)).toBe(-XEN_EFAULT);
  });

  it('stack_switch fixes RPL 0 and always succeeds', () => {
    const guest = bench.guest();
    expect(guest.call(__HYPERVISOR_stack_switch, 0x68, 0x9000)).toBe(0);
    expect([guest.vcpu.kernelSs, guest.vcpu.kernelSp]).toEqual([0x69, 0x9000]);
  });

  it('callback_op registers types 0, 1, 4, 5 and 7, and refuses the rest', () => {
    const guest = bench.guest();
    const rcs = [0, 1, 2, 3, 4, 5, 6, 7].map((type) =>
      guest.callWith(__HYPERVISOR_callback_op, 0, [type, FLAT_KERNEL_CS, 0x5000]),
    );
    expect(rcs).toEqual([0, 0, -XEN_ENOSYS, -XEN_ENOSYS, 0, 0, -XEN_ENOSYS, 0]);
    expect(guest.vcpu.callbacks.event).toEqual({ cs: FLAT_KERNEL_CS, address: 0x5000 });
    expect(guest.callWith(__HYPERVISOR_callback_op, 1, [0])).toBe(-XEN_EINVAL);
    expect(guest.callWith(__HYPERVISOR_callback_op, 1, [4])).toBe(0);
    expect(guest.callWith(__HYPERVISOR_callback_op, 2, [0])).toBe(-XEN_EINVAL);
  });

  it('debug registers: reserved bits, DR4 and DR5 as aliases, GD and addresses of Xen refused', () => {
    const guest = bench.guest();
    const set = (reg: number, value: number): number => guest.call(__HYPERVISOR_set_debugreg, reg, value);
    const get = (reg: number): number => guest.call(__HYPERVISOR_get_debugreg, reg);
    expect([set(6, 0), get(6) >>> 0, get(4) >>> 0]).toEqual([0, 0xffff_0ff0, 0xffff_0ff0]);
    expect([set(7, 1), get(7), get(5)]).toEqual([0, 0x401, 0x401]);
    expect(set(7, 0x2000)).toBe(-XEN_EPERM);
    expect(set(7, 1 | (2 << 16))).toBe(-XEN_EPERM);
    expect(get(7)).toBe(0x401);
    expect(set(0, 0xf580_0000)).toBe(-XEN_EPERM);
    expect(set(8, 0)).toBe(-XEN_ENODEV);
    expect(get(8)).toBe(-XEN_ENODEV);
  });
});
