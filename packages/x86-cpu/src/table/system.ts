import { SystemRegister } from '../helpers/helper-cpu.ts';
import { Exit, Vector } from '../names.ts';
import type { Ops, Val } from '../ops.ts';
import type { AnyOperand, Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';
import { undefinedOpcode } from './common.ts';
import { portAccess, privileged } from './privilege.ts';

const helper =
  (name: string): Sem =>
  (o) =>
    o.helper(name);
const nop: Sem = () => {};

/** SLDT, STR, SMSW: the register form has the operand size, the memory form 16 bits. */
const storeSystem =
  (register: number): Sem =>
  (o, dst) => {
    o.helper('systemRegister', o.c(register));
    dst.set(o.result(0));
  };
const smsw: Sem = (o, dst) => dst.set(o.field('cr0').get());

/** SGDT, SIDT: the limit, then all 32 bits of the base whatever the operand size. */
const storeTable =
  (limit: number, base: number): Sem =>
  (o, dst) => {
    const low = dst.at(16, o.c(0), 'w');
    const high = dst.at(32, o.c(2), 'w');
    o.helper('systemRegister', o.c(limit));
    low.set(o.result(0));
    o.helper('systemRegister', o.c(base));
    high.set(o.result(0));
  };

/** LAR, LSL: ZF says whether the descriptor was visible; the destination is kept when it was not. */
const descriptorField =
  (name: string): Sem =>
  (o, dst, selector) => {
    o.helper(name, selector.get());
    const visible = o.let(o.result(0));
    dst.set(o.select(visible, o.result(1), dst.get()));
    o.setFlags({ zf: visible });
  };
const verify =
  (name: string): Sem =>
  (o, selector) => {
    o.helper(name, selector.get());
    o.setFlags({ zf: o.result(0) });
  };
/** RPL of the destination raised to that of the source; ZF says whether it was lower. */
function raiseRpl(o: Ops, a: Val, src: AnyOperand, store: (v: Val) => void): void {
  const rpl = o.let(o.and(src.get(), o.c(3)));
  const lower = o.let(o.ltU(o.and(a, o.c(3)), rpl));
  o.if(lower, () => store(o.or(o.and(a, o.c(~3)), rpl)));
  o.setFlags({ zf: lower });
}
const arpl: Sem = (o, dst, src) => raiseRpl(o, o.let(dst.get()), src, (v) => dst.set(v));
/** In memory the selector is only read when it stays as it is, and its faults are those of a read. */
const arplMemory: Sem = (o, dst, src) => {
  const a = o.let(dst.at(16, o.c(0), 'r').get());
  raiseRpl(o, a, src, (v) => dst.at(16, o.c(0), 'w').set(v));
};

/** Which of the fast system calls exist is the embedder's choice. */
const sysenter: Sem = (o) => {
  o.helper('sysenterAllowed');
  o.exit(Exit.Sysenter, o.c(0));
};
const syscall: Sem = (o) => {
  o.helper('syscallAllowed');
  o.exit(Exit.Syscall, o.c(0));
};
const sysret: Sem = (o, a, b, c) => {
  o.helper('syscallAllowed');
  privileged(o, a, b, c);
};
const generalProtection: Sem = (o) => o.fault(Vector.GP, o.c(0));

const clflush: Sem = (o, m) => {
  o.let(m.at(8, o.c(0), 'r').get());
};

const leaves = { unrecorded: 'leaves the CPU for the kernel, or is missing in 64-bit processors' };
const host = { unrecorded: "the host's own answer differs" };

const port = (opcode: number, form: string): Row => row(opcode, form, {}, portAccess);
const ring0 = (opcode: number, form: string, options: object = {}): Row =>
  row(opcode, form, options, privileged);

/** With a mandatory prefix these would be other, later instructions. */
const withoutPrefix = (plain: Row, prefixes: readonly number[]): Row[] => [
  plain,
  ...prefixes.map((prefix) => ({
    ...plain,
    prefix,
    unrecorded: 'the prefix makes it undefined',
    sem: undefinedOpcode,
  })),
];
/** Fences order nothing here. */
const fence = (ext: number, name: string): Row[] =>
  withoutPrefix(row(0x0fae, name, { ext, mod: 'reg' }, nop), [0x66, 0xf2, 0xf3]);

/** System instructions. */
export const SYSTEM_ROWS: readonly Row[] = [
  row(0x0fa2, 'CPUID', host, helper('cpuid')),
  row(0x0f31, 'RDTSC', host, helper('rdtsc')),
  row(0x0f33, 'RDPMC', {}, generalProtection),
  row(0x0f34, 'SYSENTER', leaves, sysenter),
  ring0(0x0f35, 'SYSEXIT', leaves),
  row(0x0f05, 'SYSCALL', leaves, syscall),
  row(0x0f07, 'SYSRET', leaves, sysret),
  port(0xe4, 'IN =AL,Ib'),
  port(0xe5, 'IN =eAX,Ib'),
  port(0xe6, 'OUT Ib,AL'),
  port(0xe7, 'OUT Ib,eAX'),
  port(0xec, 'IN =AL,DX'),
  port(0xed, 'IN =eAX,DX'),
  port(0xee, 'OUT DX,AL'),
  port(0xef, 'OUT DX,eAX'),
  ring0(0xf4, 'HLT'),
  ring0(0x0f06, 'CLTS'),
  ring0(0x0f08, 'INVD'),
  ring0(0x0f09, 'WBINVD'),
  ring0(0x0f30, 'WRMSR'),
  ring0(0x0f32, 'RDMSR'),
  ...[0, 2, 3, 4].flatMap((ext) => [
    ring0(0x0f20, 'MOV =Rd,Cd', { ext }),
    ring0(0x0f22, 'MOV =Cd,Rd', { ext }),
  ]),
  ring0(0x0f21, 'MOV =Rd,Dd'),
  ring0(0x0f23, 'MOV =Dd,Rd'),
  row(0x0f00, 'SLDT =Ev', { ext: 0, mod: 'reg', ...host }, storeSystem(SystemRegister.Ldtr)),
  row(0x0f00, 'SLDT =Ew', { ext: 0, mod: 'mem', ...host }, storeSystem(SystemRegister.Ldtr)),
  row(0x0f00, 'STR =Ev', { ext: 1, mod: 'reg', ...host }, storeSystem(SystemRegister.Tr)),
  row(0x0f00, 'STR =Ew', { ext: 1, mod: 'mem', ...host }, storeSystem(SystemRegister.Tr)),
  ring0(0x0f00, 'LLDT M', { ext: 2 }),
  ring0(0x0f00, 'LTR M', { ext: 3 }),
  row(0x0f00, 'VERR Ew', { ext: 4 }, verify('verr')),
  row(0x0f00, 'VERW Ew', { ext: 5 }, verify('verw')),
  row(
    0x0f01,
    'SGDT M',
    { ext: 0, mod: 'mem', ...host },
    storeTable(SystemRegister.GdtLimit, SystemRegister.GdtBase),
  ),
  row(
    0x0f01,
    'SIDT M',
    { ext: 1, mod: 'mem', ...host },
    storeTable(SystemRegister.IdtLimit, SystemRegister.IdtBase),
  ),
  ring0(0x0f01, 'LGDT M', { ext: 2, mod: 'mem' }),
  ring0(0x0f01, 'LIDT M', { ext: 3, mod: 'mem' }),
  row(0x0f01, 'SMSW =Ev', { ext: 4, mod: 'reg', ...host }, smsw),
  row(0x0f01, 'SMSW =Ew', { ext: 4, mod: 'mem', ...host }, smsw),
  ring0(0x0f01, 'LMSW M', { ext: 6 }),
  ring0(0x0f01, 'INVLPG M', { ext: 7, mod: 'mem' }),
  row(0x0f02, 'LAR +Gv,Ew', {}, descriptorField('lar')),
  row(0x0f03, 'LSL +Gv,Ew', {}, descriptorField('lsl')),
  row(0x63, 'ARPL +Ew,Gw', { mod: 'reg' }, arpl),
  row(0x63, 'ARPL M,Gw', { mod: 'mem' }, arplMemory),
  ...fence(5, 'LFENCE'),
  ...fence(6, 'MFENCE'),
  ...fence(7, 'SFENCE'),
  ...withoutPrefix(row(0x0fae, 'CLFLUSH M', { ext: 7, mod: 'mem' }, clflush), [0xf2, 0xf3]),
];
