/**
 * Instruction forms: `operands encoding`, in the order of preference.
 *
 * Operand codes, after the opcode maps: E register or memory, G register, M memory, Z register in the opcode's low bits,
 * R register, I immediate, J relative target, O address without registers, S segment register, C D control and debug
 * register,
 * p far pointer; sizes b w d q, v (16 or 32), y (v; memory without a size is 32), `s` byte sign-extended to v.
 * Small letters are fixed: al, av (AX or EAX), cl, dx and segment registers; so are the numbers 1 and 3.
 * Encoding: opcode bytes, then `/r`, `/0`-`/7` for ModRM or `+` for a register in the opcode. Immediates follow in the
 * order of the operands.
 */
type Forms = Readonly<Record<string, readonly string[]>>;

const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', undefined, 'sar'];
const BIT_TESTS = ['bt', 'bts', 'btr', 'btc'];
/** Condition names by number; the first name is the usual one. */
const CONDITIONS = [
  ...['o', 'no', 'b c nae', 'ae nb nc', 'e z', 'ne nz', 'be na', 'a nbe'],
  ...['s', 'ns', 'p pe', 'np po', 'l nge', 'ge nl', 'le ng', 'g nle'],
];

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function alu(n: number): string[] {
  const code = (low: number): string => hex(8 * n + low);
  return [
    ...[`Eb,Gb ${code(0)}/r`, `Ev,Gv ${code(1)}/r`, `Gb,Eb ${code(2)}/r`, `Gv,Ev ${code(3)}/r`],
    ...[`Ev,Is 83/${n}`, `al,Ib ${code(4)}`, `av,Iv ${code(5)}`, `Eb,Ib 80/${n}`, `Ev,Iv 81/${n}`],
  ];
}

function shift(n: number): string[] {
  return [
    ...[`Eb,1 d0/${n}`, `Ev,1 d1/${n}`, `Eb d0/${n}`, `Ev d1/${n}`],
    ...[`Eb,cl d2/${n}`, `Ev,cl d3/${n}`, `Eb,Ib c0/${n}`, `Ev,Ib c1/${n}`],
  ];
}

function families(): Record<string, string[]> {
  const forms: Record<string, string[]> = {};
  for (const [n, name] of ALU.entries()) forms[name] = alu(n);
  for (const [n, name] of SHIFTS.entries()) if (name) forms[name] = shift(n);
  forms.sal = shift(4);
  for (const [n, name] of BIT_TESTS.entries()) {
    forms[name] = [`Ev,Gv 0f${hex(0xa3 + 8 * n)}/r`, `Ev,Ib 0fba/${n + 4}`];
  }
  for (const [n, names] of CONDITIONS.entries()) {
    for (const name of names.split(' ')) {
      forms[`j${name}`] = [`Jb ${hex(0x70 + n)}`, `Jv 0f${hex(0x80 + n)}`];
      forms[`set${name}`] = [`Eb 0f${hex(0x90 + n)}/0`];
      forms[`cmov${name}`] = [`Gv,Ev 0f${hex(0x40 + n)}/r`];
    }
  }
  return forms;
}

const DATA: Forms = {
  mov: [
    ...['al,Ob a0', 'av,Ov a1', 'Ob,al a2', 'Ov,av a3'],
    ...['Eb,Gb 88/r', 'Ev,Gv 89/r', 'Gb,Eb 8a/r', 'Gv,Ev 8b/r'],
    ...['Rv,S 8c/r', 'Mw,S 8c/r', 'S,Rw 8e/r', 'S,Rd 8e/r', 'S,Mw 8e/r'],
    ...['Zb,Ib b0+', 'Zv,Iv b8+', 'Eb,Ib c6/0', 'Ev,Iv c7/0'],
    ...['Rd,C 0f20/r', 'C,Rd 0f22/r', 'Rd,D 0f21/r', 'D,Rd 0f23/r'],
  ],
  movzx: ['Gv,Eb 0fb6/r', 'Gd,Ew 0fb7/r'],
  movsx: ['Gv,Eb 0fbe/r', 'Gd,Ew 0fbf/r'],
  lea: ['Gv,M 8d/r'],
  xchg: ['Zv,av 90+', 'av,Zv 90+', 'Eb,Gb 86/r', 'Ev,Gv 87/r', 'Gb,Eb 86/r', 'Gv,Ev 87/r'],
  push: ['es 06', 'cs 0e', 'ss 16', 'ds 1e', 'fs 0fa0', 'gs 0fa8', 'Zv 50+', 'Id8 6a', 'Id 68', 'Ey ff/6'],
  pop: ['es 07', 'ss 17', 'ds 1f', 'fs 0fa1', 'gs 0fa9', 'Zv 58+', 'Ey 8f/0'],
  bswap: ['Zd 0fc8+'],
  les: ['Gv,M c4/r'],
  lds: ['Gv,M c5/r'],
  lss: ['Gv,M 0fb2/r'],
  lfs: ['Gv,M 0fb4/r'],
  lgs: ['Gv,M 0fb5/r'],
  in: ['al,Ib e4', 'av,Ib e5', 'al,dx ec', 'av,dx ed'],
  out: ['Ib,al e6', 'Ib,av e7', 'dx,al ee', 'dx,av ef'],
};

const ARITHMETIC: Forms = {
  inc: ['Zv 40+', 'Eb fe/0', 'Ev ff/0'],
  dec: ['Zv 48+', 'Eb fe/1', 'Ev ff/1'],
  not: ['Eb f6/2', 'Ev f7/2'],
  neg: ['Eb f6/3', 'Ev f7/3'],
  mul: ['Eb f6/4', 'Ev f7/4'],
  imul: ['Gv,Ev,Is 6b/r', 'Gv,Ev,Iv 69/r', 'Gv,Ev 0faf/r', 'Eb f6/5', 'Ev f7/5'],
  div: ['Eb f6/6', 'Ev f7/6'],
  idiv: ['Eb f6/7', 'Ev f7/7'],
  test: [
    'Eb,Gb 84/r',
    'Ev,Gv 85/r',
    'Gb,Eb 84/r',
    'Gv,Ev 85/r',
    'al,Ib a8',
    'av,Iv a9',
    'Eb,Ib f6/0',
    'Ev,Iv f7/0',
  ],
  shld: ['Ev,Gv,Ib 0fa4/r', 'Ev,Gv,cl 0fa5/r'],
  shrd: ['Ev,Gv,Ib 0fac/r', 'Ev,Gv,cl 0fad/r'],
  bsf: ['Gv,Ev 0fbc/r'],
  bsr: ['Gv,Ev 0fbd/r'],
  cmpxchg: ['Eb,Gb 0fb0/r', 'Ev,Gv 0fb1/r'],
  xadd: ['Eb,Gb 0fc0/r', 'Ev,Gv 0fc1/r'],
  cmpxchg8b: ['Mq 0fc7/1'],
  aam: [' d40a', 'Ib d4'],
  aad: [' d50a', 'Ib d5'],
};

const CONTROL: Forms = {
  jmp: ['Jb eb', 'Jv e9', 'p ea', 'Ey ff/4', 'Mp ff/5'],
  call: ['Jv e8', 'p 9a', 'Ey ff/2', 'Mp ff/3'],
  ret: [' c3', 'Iw c2'],
  retf: [' cb', 'Iw ca'],
  int: ['3 cc', 'Ib cd'],
  loop: ['Jb e2'],
  loope: ['Jb e1'],
  loopne: ['Jb e0'],
  jecxz: ['Jb e3'],
  enter: ['Iw,Ib c8'],
  bound: ['Gv,M 62/r'],
};

const SYSTEM: Forms = {
  sldt: ['Rv 0f00/0', 'Mw 0f00/0'],
  str: ['Rv 0f00/1', 'Mw 0f00/1'],
  lldt: ['Ew 0f00/2'],
  ltr: ['Ew 0f00/3'],
  verr: ['Ew 0f00/4'],
  verw: ['Ew 0f00/5'],
  sgdt: ['M 0f01/0'],
  sidt: ['M 0f01/1'],
  lgdt: ['M 0f01/2'],
  lidt: ['M 0f01/3'],
  smsw: ['Rv 0f01/4', 'Mw 0f01/4'],
  lmsw: ['Ew 0f01/6'],
  invlpg: ['M 0f01/7'],
  lar: ['Gv,Rv 0f02/r', 'Gv,Mw 0f02/r'],
  lsl: ['Gv,Rv 0f03/r', 'Gv,Mw 0f03/r'],
  arpl: ['Ew,Gw 63/r'],
  fldcw: ['Mw d9/5'],
  fnstcw: ['Mw d9/7'],
  prefetchnta: ['M 0f18/0'],
  prefetcht0: ['M 0f18/1'],
};

/** Without operands. */
const PLAIN =
  'nop 90, pause f390, cbw 6698, cwde 98, cwd 6699, cdq 99, sahf 9e, lahf 9f, xlatb d7, ' +
  'pushf 9c, pushfd 9c, pushfw 669c, popf 9d, popfd 9d, popfw 669d, pusha 60, pushad 60, popa 61, popad 61, ' +
  'movsb a4, movsw 66a5, movsd a5, cmpsb a6, cmpsw 66a7, cmpsd a7, stosb aa, stosw 66ab, stosd ab, ' +
  'lodsb ac, lodsw 66ad, lodsd ad, scasb ae, scasw 66af, scasd af, insb 6c, insw 666d, insd 6d, ' +
  'outsb 6e, outsw 666f, outsd 6f, daa 27, das 2f, aaa 37, aas 3f, leave c9, int3 cc, into ce, ' +
  'iret cf, iretd cf, cmc f5, clc f8, stc f9, cli fa, sti fb, cld fc, std fd, hlt f4, ' +
  'clts 0f06, invd 0f08, wbinvd 0f09, ud2 0f0b, wrmsr 0f30, rdtsc 0f31, rdmsr 0f32, rdpmc 0f33, ' +
  'sysenter 0f34, sysexit 0f35, syscall 0f05, cpuid 0fa2, lfence 0faee8, mfence 0faef0, sfence 0faef8, ' +
  'fninit dbe3, fnclex dbe2, fwait 9b, fld1 d9e8, emms 0f77';

const ALIASES: Forms = { loopz: CONTROL.loope!, loopnz: CONTROL.loopne! };

/** All forms of all instructions by mnemonic. */
export function instructionForms(): ReadonlyMap<string, readonly string[]> {
  const all = new Map(
    Object.entries({ ...families(), ...DATA, ...ARITHMETIC, ...CONTROL, ...SYSTEM, ...ALIASES }),
  ) as Map<string, readonly string[]>;
  for (const entry of PLAIN.split(', ')) {
    const [name, code] = entry.split(' ') as [string, string];
    all.set(name, [` ${code}`]);
  }
  return all;
}

/** Prefix bytes by name, with their place in the instruction. */
export const PREFIXES: Readonly<Record<string, { readonly byte: number; readonly place: number }>> = {
  es: { byte: 0x26, place: 0 },
  cs: { byte: 0x2e, place: 0 },
  ss: { byte: 0x36, place: 0 },
  ds: { byte: 0x3e, place: 0 },
  fs: { byte: 0x64, place: 0 },
  gs: { byte: 0x65, place: 0 },
  addr16: { byte: 0x67, place: 1 },
  data16: { byte: 0x66, place: 2 },
  lock: { byte: 0xf0, place: 3 },
  rep: { byte: 0xf3, place: 3 },
  repe: { byte: 0xf3, place: 3 },
  repz: { byte: 0xf3, place: 3 },
  repne: { byte: 0xf2, place: 3 },
  repnz: { byte: 0xf2, place: 3 },
};
