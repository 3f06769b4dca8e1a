/** Which system call a worker makes next, and with what. */
import { CALL_NUMBERS } from '@domu/guest-kernel';
import { FAMILIES, type Ground } from './families.ts';
import { HOT, ROOM, ROOM_BYTES } from './program.ts';
import type { Random } from './random.ts';
import { flags, hotSlot, type Known, number, pointer, size, word } from './structures.ts';

/** Number and up to six arguments. */
export type Call = readonly number[];

const NAMES = new Map(CALL_NUMBERS.map(([nr, name]) => [nr, name]));
const BY_NAME = new Map(CALL_NUMBERS.map((row) => [row[1], row]));
export const nr = (name: string): number => BY_NAME.get(name)?.[0] ?? 0;
export const nameOf = (nr: number): string => NAMES.get(nr) ?? `#${nr}`;

/**
 * What root does not get, because Linux would do as it is told, and the run would be over without any fault of the kernel's:
 * the machine ends, the file system that the first process works in is another one, or the memory and limits of the first
 * process are rewritten. Everything else it gets; the first process has no handlers, so that Linux spares it all signals.
 * What root does to the bystander, it may: see `Supervisor.seeGuard`.
 */
const ROOT_ONLY_HARM = [
  'reboot',
  'pivot_root',
  'umount',
  'umount2',
  'mount',
  'chroot',
  'prlimit64',
  'process_vm_writev',
];
/** Ends a process; made now and then. */
const ENDS = ['exit', 'exit_group'];
/** Makes a process or replaces it; made now and then. */
const FORKS = ['fork', 'vfork', 'clone', 'clone3', 'execve', 'execveat'];

export interface CallSource extends Ground {
  /** Addresses of the paths it may use. */
  readonly paths: readonly number[];
  readonly asRoot: boolean;
}

const ioctls = [
  0x5401, 0x5402, 0x5403, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b, 0x541d,
];
const moreIoctls = [
  0x5421, 0x5422, 0x5450, 0x5451, 0x5423, 0x5425, 0x5429, 0x540a, 0x5409, 0x8910, 0x8912, 0x8913, 0x8915,
];
const lastIoctls = [
  0x8921, 0x8927, 0x8933, 0x8914, 0x8916, 0x890b, 0x1260, 0x1268, 0x80045430, 0x40045431, 0x5441,
];
const IOCTLS = [...ioctls, ...moreIoctls, ...lastIoctls];

type Special = (source: CallSource) => readonly number[];

/** Arguments that a call needs to get anywhere. */
const SPECIAL: Readonly<Record<string, Special>> = {
  socketcall: ({ random }) => [1 + random.below(21), hotSlot(random)],
  ipc: ({ random, known }) => {
    const call = random.pick([1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24, 0x1_000c, 0x1_0015]);
    const command = random.pick([
      0, 1, 2, 3, 11, 12, 13, 14, 16, 17, 18, 0x100, 0x101, 0x102, 0x10d, 0x110, 0x111, 0o1600,
    ]);
    return [
      call,
      number(random, known),
      random.pick([command, number(random, known), size(random)]),
      command,
      pointer(random, known),
      pointer(random, known),
    ];
  },
  semctl: ({ random, known }) => [
    number(random, known),
    random.below(8),
    random.below(21),
    pointer(random, known),
  ],
  shmctl: ({ random, known }) => [number(random, known), random.below(16), pointer(random, known)],
  msgctl: ({ random, known }) => [number(random, known), random.below(14), pointer(random, known)],
  ioctl: ({ random, known }) => [
    number(random, known),
    random.once(10) ? random.word() : random.pick(IOCTLS),
    pointer(random, known),
  ],
  fcntl64: ({ random, known }) => [
    number(random, known),
    random.pick([...Array(17).keys(), 1024, 1025, 1026, 1030, 1031, 1032, 1033, 1034]),
    word(random, known),
  ],
  fcntl: ({ random, known }) => [number(random, known), random.below(17), word(random, known)],
  futex: ({ random, known }) => [
    pointer(random, known) & ~3,
    random.below(14) | random.pick([0, 128, 256, 384]),
    random.pick([0, 1, 0x7fff_ffff, word(random, known)]),
    pointer(random, known),
    pointer(random, known),
    random.word(),
  ],
  prctl: ({ random, known }) => [1 + random.below(65), word(random, known), word(random, known), 0, 0],
  mmap2: ({ random, known }) => [
    random.pick([
      0,
      0,
      0x5000_0000,
      0x7000_0000,
      ROOM + 4096 * random.below(64),
      pointer(random, known) & ~4095,
    ]),
    size(random),
    random.below(8),
    random.pick([0x22, 0x21, 0x02, 0x01, 0x32, 0x31, 0x12, 0x11, 0x8022, 0x10_0022, 0x122, flags(random)]),
    number(random, known),
    random.pick([0, 0, 1, word(random, known)]),
  ],
  munmap: ({ random, known }) => [mapped(random, known), size(random)],
  mprotect: ({ random, known }) => [mapped(random, known), size(random), random.below(8)],
  madvise: ({ random, known }) => [
    mapped(random, known),
    size(random),
    random.pick([...Array(26).keys(), 4, 4, 8, 100]),
  ],
  mremap: ({ random, known }) => [
    mapped(random, known),
    size(random),
    size(random),
    random.below(4),
    mapped(random, known),
  ],
  msync: ({ random, known }) => [mapped(random, known), size(random), random.below(8)],
  remap_file_pages: ({ random, known }) => [mapped(random, known), size(random), 0, random.below(10), 0],
  brk: ({ random }) => [random.pick([0, 0x0810_0000, 0x0820_0000, 0x0900_0000, random.word()])],
  clone: ({ random, known }) => [
    random.pick([
      17,
      0,
      0x0100,
      0x4111,
      0x10f00,
      0x50f00,
      0x12_0f11,
      0x3d_0f00,
      0x0100_0011,
      0x0020_0011,
      flags(random),
    ]),
    random.pick([0, 0, ROOM + 4096 * random.below(60), pointer(random, known)]),
    pointer(random, known),
    pointer(random, known),
    pointer(random, known),
  ],
  kill: ({ random, known }) => [
    random.pick([0, 0xffff_ffff, number(random, known), number(random, known), number(random, known)]),
    signal(random),
  ],
  tkill: ({ random, known }) => [number(random, known), signal(random)],
  tgkill: ({ random, known }) => [number(random, known), number(random, known), signal(random)],
  rt_sigaction: ({ random, known }) => [
    1 + random.below(66),
    pointer(random, known),
    pointer(random, known),
    random.pick([8, 8, 8, 4]),
  ],
  rt_sigprocmask: ({ random, known }) => [
    random.below(4),
    pointer(random, known),
    pointer(random, known),
    random.pick([8, 8, 8, 16]),
  ],
  rt_sigsuspend: ({ random, known }) => [pointer(random, known), 8],
  rt_sigtimedwait: ({ random, known }) => [
    pointer(random, known),
    pointer(random, known),
    pointer(random, known),
    8,
  ],
  ppoll: ({ random, known }) => [
    pointer(random, known),
    random.below(20),
    pointer(random, known),
    pointer(random, known),
    8,
  ],
  epoll_ctl: ({ random, known }) => [
    number(random, known),
    1 + random.below(3),
    number(random, known),
    pointer(random, known),
  ],
  epoll_pwait: ({ random, known }) => [
    number(random, known),
    pointer(random, known),
    random.below(20),
    random.below(3),
    pointer(random, known),
    8,
  ],
  epoll_wait: ({ random, known }) => [
    number(random, known),
    pointer(random, known),
    random.below(20),
    random.below(3),
  ],
  socket: ({ random }) => [
    random.pick([1, 2, 10, 16, 17, random.below(50)]),
    random.pick([1, 2, 3, 5, 10, 0x801, 0x8_0002]),
    random.pick([0, 1, 6, 17, 255, random.word()]),
  ],
  setsockopt: ({ random, known }) => [
    number(random, known),
    random.pick([1, 0, 6, 17, 41, 270]),
    random.below(66),
    pointer(random, known),
    random.pick([0, 1, 4, 8, 16, size(random)]),
  ],
  getsockopt: ({ random, known }) => [
    number(random, known),
    random.pick([1, 0, 6, 17, 41, 270]),
    random.below(66),
    pointer(random, known),
    hotSlot(random),
  ],
  setitimer: ({ random, known }) => [random.below(4), pointer(random, known), pointer(random, known)],
  timer_create: ({ random, known }) => [
    random.below(12),
    random.pick([0, pointer(random, known)]),
    pointer(random, known),
  ],
  alarm: ({ random }) => [random.pick([0, 1, 1, 1000])],
  ptrace: ({ random, known }) => [
    random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 24, 0x4200, 0x4201, 0x4202, 0x4206]),
    number(random, known),
    pointer(random, known),
    word(random, known),
  ],
  bpf: ({ random, known }) => [random.below(20), pointer(random, known), size(random)],
};

const mapped = (random: Random, known: Known): number =>
  random.pick([
    // Mostly not where the program itself lies: it would not go on for long.
    ROOM + 4096 * random.below(ROOM_BYTES / 4096),
    0x5000_0000 + 4096 * random.below(64),
    known.addresses.length > 0 ? random.pick(known.addresses) & ~4095 : 0x7000_0000,
    random.once(20) ? HOT & ~4095 : 0x7000_0000,
    random.once(10) ? random.word() & ~4095 : ROOM,
  ]) >>> 0;

const signal = (random: Random): number =>
  random.once(4) ? random.below(70) : random.pick([0, 14, 10, 12, 17, 18, 28, 34, 64]);

/** Arguments by their kinds, as the table of calls has them. */
function byKind(kind: string, { random, known, paths }: CallSource): readonly number[] {
  switch (kind) {
    case 'path':
    case 'str':
      return [random.once(8) ? pointer(random, known) : random.pick(paths)];
    case 'ptr':
    case 'buf':
      return [pointer(random, known)];
    case 'size':
      return [size(random)];
    case 'flags':
    case 'prot':
    case 'mask':
      return [flags(random)];
    case 'off64':
      return [word(random, known), random.pick([0, 0, 0xffff_ffff, 0x7fff_ffff, 1])];
    case 'mode':
      return [random.pick([0o777, 0o600, 0, 0o1777, 0o010644, 0o020666, 0o140777, random.word()])];
    case 'signal':
      return [signal(random)];
    case 'uid':
    case 'gid':
      return [random.pick([1000, 1000, 0, 0xffff_ffff, 65_534])];
    default:
      return [random.once(4) ? word(random, known) : number(random, known)];
  }
}

/** The calls that a worker may choose from. */
export function choices(asRoot: boolean): readonly string[] {
  const common = CALL_NUMBERS.map(([, name]) => name).filter(
    (name) => !ENDS.includes(name) && !FORKS.includes(name),
  );
  const allowed = asRoot ? common.filter((name) => !ROOT_ONLY_HARM.includes(name)) : common;
  // What has most behind it is made more often.
  const favoured = [...new Set([...Object.keys(SPECIAL), ...Object.keys(FAMILIES)])].filter((name) =>
    allowed.includes(name),
  );
  return [
    ...allowed,
    ...favoured,
    ...[
      'socketcall',
      'ipc',
      'openat',
      'open',
      'close',
      'read',
      'write',
      'dup2',
      'sched_yield',
      'sched_yield',
      'sched_yield',
    ],
  ];
}

export function nextCall(source: CallSource, names: readonly string[], mayFork: boolean): Call {
  const call = anyCall(source, names, mayFork);
  const [number, request = 0, pid, ...rest] = call;
  // Root may trace the first process, and stop it.
  return source.asRoot && number === nr('ptrace') && pid === 1 ? [number, request, 2, ...rest] : call;
}

function anyCall(source: CallSource, names: readonly string[], mayFork: boolean): Call {
  const { random } = source;
  if (random.once(400)) return [nr(random.pick(ENDS)), random.below(256)];
  if (random.once(40))
    return [
      random.pick([random.below(512), random.word(), 0x8000_0000]),
      ...Array.from({ length: 6 }, () => word(random, source.known)),
    ];
  const name = mayFork && random.once(60) ? random.pick(FORKS) : random.pick(names);
  const family = FAMILIES[name];
  if (family !== undefined && !random.once(3)) return [nr(name), ...family(source)];
  const special = SPECIAL[name];
  if (special !== undefined && !random.once(30)) return [nr(name), ...special(source)];
  const kinds = (BY_NAME.get(name)?.[2] ?? '').split(' ').filter((kind) => kind !== '');
  return [
    nr(name),
    // The descriptor before a path is that of a directory.
    ...kinds.flatMap((kind, i) =>
      kind === 'fd' && kinds[i + 1] === 'path' && !random.once(4)
        ? [random.pick([0xffff_ff9c, 0xffff_ff9c, 11])]
        : byKind(kind, source),
    ),
  ];
}

/** As a person reads it. */
export function tell([number = 0, ...args]: Call): string {
  const shown = args.map((arg) => (arg < 4096 ? String(arg) : `0x${(arg >>> 0).toString(16)}`));
  return `${nameOf(number)}(${shown.join(', ')})`;
}
