import {
  __HYPERVISOR_fpu_taskswitch,
  __HYPERVISOR_get_debugreg,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_debugreg,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_stack_switch,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_vm_assist,
  __HYPERVISOR_xen_version,
  DOMID_SELF,
  FLAT_KERNEL_SS,
  FLAT_USER_CS,
  FLAT_USER_SS,
  MMUEXT_SET_LDT,
  VMASST_CMD_enable,
  VMASST_TYPE_writable_pagetables,
  XENVER_capabilities,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
} from '@domu/xen-abi';
import { check, hypercall, words } from '../check-program.ts';
import { map, NOWHERE, PLACES, VARS } from './places.ts';
import { type Row, row, trapOf } from './program.ts';

const { ARGS, LIST, A, B, GDT, LDT, USER, USER_STACK, KERNEL_STACK } = PLACES;
const EPERM = -1;
const EFAULT = -14;
const EINVAL = -22;
const ENOSYS = -38;
const [DE, DB, BP, OF, UD, NM, GP, PF] = [0, 1, 3, 4, 6, 7, 13, 14] as const;
/** What `trapOf` gives. */
const trap = (vector: number, errorCode = 0): number => (vector << 16) | errorCode;
const version = (cmd: number, arg: number): string => hypercall(__HYPERVISOR_xen_version, cmd, arg);
const mmuext = (cmd: number, arg1: number, arg2 = 0): string =>
  [words(ARGS, cmd, arg1, arg2), hypercall(__HYPERVISOR_mmuext_op, ARGS, 1, 0, DOMID_SELF)].join('\n');

const identity: Row[] = [
  row(
    'version information',
    check('version', 'VERSION', version(XENVER_version, 0)),
    check('extraversion', 0, version(XENVER_extraversion, ARGS)),
    check('extraversion text', '0x2e', `movzx eax, byte ptr [${ARGS}]`),
    check('extraversion is padded with zeros', 0, `movzx eax, byte ptr [${ARGS + 15}]`),
    check('capabilities', 0x2d6e_6578, version(XENVER_capabilities, ARGS), `mov eax, [${ARGS}]`),
    check('platform parameters', 'HVS', version(XENVER_platform_parameters, ARGS), `mov eax, [${ARGS}]`),
    check('page size', 4096, version(XENVER_pagesize, 0)),
    check('unknown', ENOSYS, version(40, ARGS)),
    check('unmapped buffer', EFAULT, version(XENVER_extraversion, 0x1000)),
  ),
  row(
    'feature map',
    check(
      'submap 0',
      'FEATURES',
      words(ARGS, 0, 0),
      version(XENVER_get_features, ARGS),
      `mov eax, [${ARGS + 4}]`,
    ),
    check('submap 1', EINVAL, words(ARGS, 1, 0), version(XENVER_get_features, ARGS)),
    check(
      'vm_assist',
      0,
      hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables),
    ),
    check('vm_assist, unknown type', EINVAL, hypercall(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 31)),
    check('vm_assist, unknown command', ENOSYS, hypercall(__HYPERVISOR_vm_assist, 2, 0)),
    check('unknown hypercall', ENOSYS, hypercall(60)),
  ),
];

/** A data segment of ring 1 that is the page at `base`. */
const descriptor = (base: number): [number, number] => [
  (((base & 0xffff) << 16) | 0xfff) >>> 0,
  ((base & 0xff00_0000) | 0x0040_b200 | ((base >>> 16) & 0xff)) >>> 0,
];
const load = (segment: string, selector: number): string => `mov eax, ${selector}\nmov ${segment}, eax`;

const descriptors: Row[] = [
  row(
    'gdt',
    check('pages to look at', 0, words(A, 0xaaaa), words(B, 0xbbbb), 'xor eax, eax'),
    check(
      'a page that is mapped writable',
      'RW_DESCRIPTORS',
      words(GDT + 8, ...descriptor(A)),
      `mov eax, ${GDT}\ncall frameof\nmov [${LIST}], eax`,
      hypercall(__HYPERVISOR_set_gdt, LIST, 512),
    ),
    check('without a GDT', 0, hypercall(__HYPERVISOR_set_gdt, 0, 0)),
    check('mapped read-only', 0, map(GDT, GDT, 0x21)),
    check('set_gdt', 0, hypercall(__HYPERVISOR_set_gdt, LIST, 512)),
    check('a segment of it', 0xaaaa, load('fs', 9), 'mov eax, fs:[0]'),
    check('beyond its limit', trap(GP), trapOf('mov eax, fs:[0x1000]')),
    check('a selector beyond the table', trap(GP, 0x1008), trapOf(load('fs', 0x1009))),
    check('the table cannot be written', trap(PF, 3), trapOf(`mov dword ptr [${GDT + 8}], 0`)),
    check(
      'update_descriptor',
      0,
      `mov eax, ${GDT}\ncall frameof\nshl eax, 12\nadd eax, 16`,
      hypercall(__HYPERVISOR_update_descriptor, 'eax', 0, ...descriptor(B)),
    ),
    check('the new segment', 0xbbbb, load('fs', 0x11), 'mov eax, fs:[0]'),
    check(
      'a system segment',
      EINVAL,
      `mov eax, ${GDT}\ncall frameof\nshl eax, 12\nadd eax, 16`,
      hypercall(__HYPERVISOR_update_descriptor, 'eax', 0, 0, 0x8900),
    ),
    check('too many entries', EINVAL, hypercall(__HYPERVISOR_set_gdt, LIST, 7169)),
    check('an unmapped list', EFAULT, hypercall(__HYPERVISOR_set_gdt, 0x1000, 512)),
    check('no such frame', EINVAL, words(ARGS, NOWHERE), hypercall(__HYPERVISOR_set_gdt, ARGS, 512)),
    check('the old table is still there', 0xaaaa, load('fs', 9), 'mov eax, fs:[0]'),
    check('fs is free again', 0, load('fs', 0), 'xor eax, eax'),
  ),
  row(
    'ldt',
    check('mapped read-only', 0, words(LDT + 8, ...descriptor(A)), map(LDT, LDT, 0x21)),
    check('SET_LDT', 0, mmuext(MMUEXT_SET_LDT, LDT, 8)),
    check('a segment of it', 0xaaaa, load('gs', 0xd), 'mov eax, gs:[0]'),
    check('a selector beyond the table', trap(GP, 0x44), trapOf(load('gs', 0x45))),
    check('not aligned to a page', EINVAL, mmuext(MMUEXT_SET_LDT, LDT + 8, 8)),
    check('too many entries', EINVAL, mmuext(MMUEXT_SET_LDT, LDT, 8193)),
    check('no LDT', 0, load('gs', 0), mmuext(MMUEXT_SET_LDT, 0, 0)),
    check('the selector is no more', trap(GP, 0xc), trapOf(load('gs', 0xd))),
  ),
  row(
    'idt',
    check('division by zero', trap(DE), trapOf('xor edx, edx\nmov eax, 1\nxor ecx, ecx\ndiv ecx')),
    check('int3', trap(BP), trapOf('int3')),
    check('into', trap(OF), trapOf('mov al, 127\nadd al, 1\ninto')),
    check('ud2', trap(UD), trapOf('ud2')),
    check('a gate that is not there', trap(GP, 0x102), trapOf('int 0x20')),
    check(
      'a page for user mode',
      0,
      `mov dword ptr [${USER}], 0x80cd`,
      // mov eax, ss:[A]
      words(USER + 16, 0xa136_0000, A),
      map(USER, USER, 0x25),
    ),
    check('its stack', 0, map(USER_STACK - 4096, USER_STACK - 4096, 0x27)),
    check('stack_switch', 0, hypercall(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, KERNEL_STACK)),
    check('int 0x80 in user mode', trap(0x80), trapOf(user(USER))),
    check('came from ring 3', FLAT_USER_CS, `movzx eax, word ptr [${VARS.trapCs}]`),
    check('on the kernel stack', KERNEL_STACK - 36, `mov eax, [${VARS.trapSp}]`),
    check('user mode reaches no kernel page', trap(PF, 5), trapOf(user(USER + 18))),
    check('a list that is not there', EFAULT, hypercall(__HYPERVISOR_set_trap_table, 0x1000)),
  ),
];

/** Goes on in ring 3 at `eip`. */
function user(eip: number): string {
  const frame = [FLAT_USER_SS, USER_STACK, 0x202, FLAT_USER_CS, eip];
  return [...frame.map((word) => `push ${word}`), 'iretd'].join('\n');
}

const setDebugreg = (reg: number, value: number | string): string =>
  hypercall(__HYPERVISOR_set_debugreg, reg, value);
const getDebugreg = (reg: number): string => hypercall(__HYPERVISOR_get_debugreg, reg);
const taskSwitch = (set: number): string => hypercall(__HYPERVISOR_fpu_taskswitch, set);
/** Traps on stores of four bytes at DR0. */
const WATCH = 0xd_0401;

const registers: Row[] = [
  row(
    'cr2',
    check('a read of nothing', trap(PF, 0), trapOf('mov eax, [0x20000010]')),
    check('in vcpu_info', 0x2000_0010, `mov eax, [${VARS.faultCr2}]`),
    check('in the register', 0x2000_0010, 'mov eax, cr2'),
    check('a write to nothing', trap(PF, 2), trapOf('mov [0x20000020], eax')),
    check('again', 0x2000_0020, 'mov eax, cr2'),
    check('mov to CR2', 0x1234, 'mov eax, 0x1234\nmov cr2, eax\nxor eax, eax\nmov eax, cr2'),
  ),
  row(
    'fpu_taskswitch',
    check('set', 0, taskSwitch(1)),
    check('seen in CR0', 8, 'mov eax, cr0\nand eax, 8'),
    check('the FPU is not available', trap(NM), trapOf('fninit')),
    check('delivery clears it', -1, trapOf('fninit')),
    check('clts', -1, taskSwitch(1), trapOf('clts\nfninit')),
    check('clear', 0, taskSwitch(1), taskSwitch(0)),
    check('gone from CR0', 0, 'mov eax, cr0\nand eax, 8'),
  ),
  row(
    'debug registers',
    check('an address', 0, setDebugreg(0, A)),
    check('as the hypercall says', A | 0, getDebugreg(0)),
    check('as the register says', A | 0, 'mov eax, dr0'),
    check('a watchpoint', 0, setDebugreg(6, 0xffff_0ff0), setDebugreg(7, WATCH)),
    check('a store to it', trap(DB), trapOf(`mov dword ptr [${A}], 0xaaaa`)),
    check('status', 1, getDebugreg(6), 'and eax, 15'),
    check('a load', -1, trapOf(`mov eax, [${A}]`)),
    check('off', -1, setDebugreg(7, 0x400), trapOf(`mov dword ptr [${A}], 0xaaaa`)),
    check('an address of Xen', EPERM, setDebugreg(1, 'HVS')),
    check('no such register', 'NO_DEBUGREG', setDebugreg(8, 0)),
  ),
];

export const CPU_ROWS: readonly Row[] = [...identity, ...descriptors, ...registers];
