/** Arguments that fit together, with the structures they point to: without them hardly a call of these families goes well. */
import { ROOM } from './program.ts';
import type { Random } from './random.ts';
import { flags, hotSlot, type Known, number, PATHS, pointer, size } from './structures.ts';

/** What arguments are made from. */
export interface Ground {
  readonly random: Random;
  readonly known: Known;
  /** Puts bytes into the process's memory. @returns their address */
  place(bytes: Uint8Array): number;
  /** Address of one of PATHS. */
  pathOf(path: string): number;
}

type Family = (ground: Ground) => readonly number[];

/** Descriptors that a worker begins with. */
const FDS = {
  ...{ null: [0], reader: [1], writer: [2], unix: [3, 4], stream: [5], datagram: [6], file: [7] },
  ...{ epoll: [8], eventfd: [9], timer: [10], folder: [11], pty: [12] },
} as const;
const SOCKETS = [3, 4, 5, 6] as const;
const AT_FDCWD = 0xffff_ff9c;
const WNOHANG = 1;
/** Files that come and go. */
const SOME = ['/tmp/f', '/tmp/x', '/tmp/l', '/tmp/d/f', '/tmp/d', '/tmp/fifo', '/tmp/socket'];

const words = (ground: Ground, ...values: readonly number[]): number =>
  ground.place(new Uint8Array(Uint32Array.from(values).buffer));

function fd({ random, known }: Ground, kind: keyof typeof FDS | 'socket'): number {
  if (random.once(5)) return number(random, known);
  return kind === 'socket' ? random.pick(SOCKETS) : random.pick(FDS[kind]);
}

const some = ({ random, pathOf }: Ground): number => pathOf(random.pick(random.once(5) ? PATHS : SOME));
const folder = ({ random }: Ground): number => random.pick([AT_FDCWD, AT_FDCWD, 11]);
const pid = ({ random, known }: Ground): number =>
  known.pids.length > 0 && !random.once(8) ? random.pick(known.pids) : random.pick([0, 0xffff_ffff, 2]);
const id = ({ random, known }: Ground): number =>
  known.ids.length > 0 && !random.once(8) ? random.pick(known.ids) : number(random, known);
const room = ({ random }: Ground): number => ROOM + 4096 * random.below(60);
const short = ({ random }: Ground): number => random.pick([0, 1, 16, 100, 4096, 10_000]);
const signal = ({ random }: Ground): number => random.pick([0, 10, 12, 14, 17, 18, 23, 28, 34, 40, 64]);

/** An address of a socket, with its length. */
function address(ground: Ground): readonly [at: number, length: number] {
  const { random } = ground;
  if (random.once(2)) {
    const path = random.pick(['/tmp/socket', '/tmp/s2', '\0abstract', '\0other']);
    const bytes = Uint8Array.from([1, 0, ...Array.from(path, (c) => c.charCodeAt(0)), 0]);
    return [ground.place(bytes), bytes.length - random.below(2)];
  }
  const host = random.pick([
    [127, 0, 0, 1],
    [127, 0, 0, 1],
    [0, 0, 0, 0],
    [127, 3, 2, 1],
    [255, 255, 255, 255],
  ]);
  const port = random.pick([0, 7, 8080, 8081, 9000]);
  const bytes = Uint8Array.from([2, 0, port >> 8, port & 255, ...host, 0, 0, 0, 0, 0, 0, 0, 0]);
  return [ground.place(bytes), 16];
}

/** struct iovec, as many as `count`. */
function vectors(ground: Ground, count: number): number {
  return words(ground, ...Array.from({ length: count }, () => [room(ground), short(ground)]).flat());
}

/** struct msghdr: sometimes with descriptors, or room for them. */
function message(ground: Ground): readonly number[] {
  const { random } = ground;
  const [name, nameLength] = random.once(3) ? address(ground) : [0, 0];
  const count = 1 + random.below(4);
  const rights = 1 + random.below(3);
  const control = random.once(2)
    ? words(ground, 12 + 4 * rights, 1, 1, ...Array.from({ length: rights }, () => random.below(13)))
    : 0;
  return [name, nameLength, vectors(ground, count), count, control, control === 0 ? 0 : 12 + 4 * rights, 0];
}

const duration = ({ random }: Ground): number => random.pick([0, 1, 1000, 50_000, 1_000_000, 20_000_000]);

/** struct timespec, 64 bits or not; and struct itimerspec. */
const time = (ground: Ground, wide: boolean): readonly number[] =>
  wide ? [0, 0, duration(ground), 0] : [0, duration(ground)];
const timer = (ground: Ground, wide: boolean): number =>
  words(ground, ...time(ground, wide), ...time(ground, wide));
const setTimer =
  (which: (ground: Ground) => number, wide: boolean): Family =>
  (ground) => [
    which(ground),
    ground.random.below(2),
    timer(ground, wide),
    ground.random.pick([0, room(ground)]),
  ];
const posixTimer = ({ random }: Ground): number => random.below(4);

const signals = (ground: Ground): number =>
  words(ground, ground.random.pick([0, 0x200, 0x2a00, 0xffff_ffff]), ground.random.pick([0, 1, 0xffff_ffff]));
/** siginfo_t as sigqueue makes it. */
const information = (ground: Ground, which: number): number =>
  words(ground, which, 0, 0xffff_ffff, ground.random.word(), 1000, ground.random.word(), 0, 0);
const operation = (ground: Ground): number =>
  words(
    ground,
    ground.random.below(3) | (ground.random.pick([0, 1, 0xffff, 2]) << 16),
    ground.random.pick([0, 0x800, 0x1800]),
  );

const DIRECT = {
  socket: ({ random }) => [
    random.pick([1, 2, 2, 16, 17]),
    random.pick([1, 2, 3, 5]) | random.pick([0, 0x800, 0x8_0000]),
    0,
  ],
  bind: (ground) => [fd(ground, 'socket'), ...address(ground)],
  connect: (ground) => [fd(ground, 'socket'), ...address(ground)],
  listen: (ground) => [fd(ground, 'socket'), ground.random.below(9)],
  accept: (ground) => [fd(ground, 'socket'), room(ground), words(ground, 110)],
  getsockname: (ground) => [fd(ground, 'socket'), room(ground), words(ground, 110)],
  getpeername: (ground) => [fd(ground, 'socket'), room(ground), words(ground, 110)],
  socketpair: (ground) => [1, ground.random.pick([1, 2, 5, 0x801]), 0, room(ground)],
  send: (ground) => [
    fd(ground, 'socket'),
    room(ground),
    short(ground),
    ground.random.pick([0, 1, 0x40, 0x4000]),
  ],
  recv: (ground) => [
    fd(ground, 'socket'),
    room(ground),
    short(ground),
    ground.random.pick([0x40, 0x42, 0x141]),
  ],
  sendto: (ground) => [
    ...[fd(ground, 'socket'), room(ground), short(ground), ground.random.pick([0, 0x40, 0x4000])],
    ...(ground.random.once(3) ? [0, 0] : address(ground)),
  ],
  recvfrom: (ground) => [
    ...[fd(ground, 'socket'), room(ground), short(ground), ground.random.pick([0x40, 0x42])],
    ...[room(ground), words(ground, 110)],
  ],
  shutdown: (ground) => [fd(ground, 'socket'), ground.random.below(3)],
  sendmsg: (ground) => [
    fd(ground, 'socket'),
    words(ground, ...message(ground)),
    ground.random.pick([0, 0x40]),
  ],
  recvmsg: (ground) => [fd(ground, 'socket'), words(ground, ...message(ground)), 0x40],
  accept4: (ground) => [fd(ground, 'socket'), 0, 0, ground.random.pick([0, 0x800, 0x8_0000])],
  recvmmsg: (ground) => [fd(ground, 'socket'), words(ground, ...message(ground), 0), 1, 0x40, 0],
  sendmmsg: (ground) => [fd(ground, 'socket'), words(ground, ...message(ground), 0), 1, 0x40],
} satisfies Readonly<Record<string, Family>>;

/** What socketcall multiplexes, from 1; setsockopt and getsockopt apart. */
const MULTIPLEXED = [
  ...[DIRECT.socket, DIRECT.bind, DIRECT.connect, DIRECT.listen, DIRECT.accept, DIRECT.getsockname],
  ...[DIRECT.getpeername, DIRECT.socketpair, DIRECT.send, DIRECT.recv, DIRECT.sendto, DIRECT.recvfrom],
  ...[DIRECT.shutdown, null, null, DIRECT.sendmsg, DIRECT.recvmsg, DIRECT.accept4, DIRECT.recvmmsg],
  DIRECT.sendmmsg,
];

function multiplexed(ground: Ground): readonly number[] {
  const call = ground.random.below(MULTIPLEXED.length);
  const args = MULTIPLEXED[call]?.(ground) ?? [
    fd(ground, 'socket'),
    1,
    ground.random.below(66),
    room(ground),
    4,
  ];
  return [call + 1, words(ground, ...args)];
}

const names = (ground: Ground): readonly number[] => [
  folder(ground),
  some(ground),
  folder(ground),
  some(ground),
];
const attribute = (ground: Ground): readonly number[] => [some(ground), ground.pathOf('user.attribute')];
const ofFile = (ground: Ground): readonly number[] => [fd(ground, 'file'), ground.pathOf('user.attribute')];

/** By the name of the call. */
export const FAMILIES: Readonly<Record<string, Family>> = {
  ...DIRECT,
  socketcall: multiplexed,
  recvmmsg_time64: DIRECT.recvmmsg,
  timerfd_settime: setTimer((ground) => fd(ground, 'timer'), false),
  timerfd_settime64: setTimer((ground) => fd(ground, 'timer'), true),
  timer_settime: setTimer(posixTimer, false),
  timer_settime64: setTimer(posixTimer, true),
  timer_gettime: (ground) => [posixTimer(ground), room(ground)],
  timer_gettime64: (ground) => [posixTimer(ground), room(ground)],
  timer_getoverrun: (ground) => [posixTimer(ground)],
  timer_delete: (ground) => [posixTimer(ground)],
  signalfd: (ground) => [0xffff_ffff, signals(ground), 8],
  signalfd4: (ground) => [
    ground.random.pick([0xffff_ffff, number(ground.random, ground.known)]),
    signals(ground),
    8,
    0x800,
  ],
  rt_sigtimedwait_time64: (ground) => [
    signals(ground),
    room(ground),
    words(ground, ...time(ground, true)),
    8,
  ],
  epoll_ctl: (ground) => [
    ...[fd(ground, 'epoll'), 1 + ground.random.below(3), ground.random.below(14)],
    words(ground, ground.random.pick([1, 4, 5, 0x8000_0001, 0x4000_0001]), ground.random.word(), 0),
  ],
  epoll_pwait2: (ground) => [
    fd(ground, 'epoll'),
    room(ground),
    4,
    words(ground, ...time(ground, true)),
    0,
    8,
  ],
  epoll_wait: (ground) => [fd(ground, 'epoll'), room(ground), 4, ground.random.below(3)],
  inotify_init1: ({ random }) => [random.pick([0, 0x800, 0x8_0000])],
  inotify_add_watch: (ground) => [number(ground.random, ground.known), some(ground), 0xfff],
  statfs64: (ground) => [some(ground), 84, room(ground)],
  fstatfs64: (ground) => [ground.random.below(13), 84, room(ground)],
  getdents: (ground) => [fd(ground, 'folder'), room(ground), 4096],
  getdents64: (ground) => [fd(ground, 'folder'), room(ground), 4096],
  link: (ground) => [some(ground), some(ground)],
  rename: (ground) => [some(ground), some(ground)],
  linkat: (ground) => [...names(ground), ground.random.pick([0, 0, 0x400])],
  renameat: names,
  renameat2: (ground) => [...names(ground), ground.random.below(3)],
  fallocate: (ground) => [
    fd(ground, 'file'),
    ground.random.pick([0, 1, 3, 16]),
    4096 * ground.random.below(9),
    0,
    4096,
    0,
  ],
  sendfile: (ground) => [
    ...[ground.random.pick([2, 3, 5, 6, 12]), fd(ground, 'file')],
    ...[ground.random.pick([0, words(ground, 0)]), short(ground)],
  ],
  sendfile64: (ground) => [
    ground.random.pick([2, 3, 5, 12]),
    fd(ground, 'file'),
    words(ground, 0, 0),
    short(ground),
  ],
  copy_file_range: (ground) => [
    ...[fd(ground, 'file'), words(ground, 0, 0), fd(ground, 'file'), words(ground, 65_536, 0)],
    ...[short(ground), 0],
  ],
  splice: (ground) =>
    ground.random.once(2)
      ? [fd(ground, 'file'), words(ground, 0, 0), fd(ground, 'writer'), 0, short(ground), 2]
      : [fd(ground, 'reader'), 0, fd(ground, 'file'), words(ground, 0, 0), short(ground), 2],
  tee: (ground) => [fd(ground, 'reader'), number(ground.random, ground.known), short(ground), 2],
  setxattr: (ground) => [...attribute(ground), room(ground), short(ground), ground.random.below(3)],
  getxattr: (ground) => [...attribute(ground), room(ground), short(ground)],
  removexattr: attribute,
  fsetxattr: (ground) => [...ofFile(ground), room(ground), short(ground), ground.random.below(3)],
  fgetxattr: (ground) => [...ofFile(ground), room(ground), short(ground)],
  tgkill: (ground) => {
    const target = pid(ground);
    return [target, target, signal(ground)];
  },
  rt_sigqueueinfo: (ground) => {
    const which = signal(ground);
    return [pid(ground), which, information(ground, which)];
  },
  rt_tgsigqueueinfo: (ground) => {
    const [target, which] = [pid(ground), signal(ground)];
    return [target, target, which, information(ground, which)];
  },
  waitpid: (ground) => [pid(ground), room(ground), WNOHANG | ground.random.pick([0, 2, 8])],
  wait4: (ground) => [pid(ground), room(ground), WNOHANG | ground.random.pick([0, 2, 8]), room(ground)],
  waitid: (ground) => [
    ground.random.below(4),
    pid(ground),
    room(ground),
    5 | ground.random.pick([0, 2, 8]),
    0,
  ],
  setpgid: (ground) => [pid(ground), pid(ground)],
  pidfd_open: (ground) => [pid(ground), 0],
  pidfd_send_signal: (ground) => [number(ground.random, ground.known), signal(ground), 0, 0],
  pidfd_getfd: (ground) => [number(ground.random, ground.known), ground.random.below(13), 0],
  process_vm_readv: (ground) => [pid(ground), vectors(ground, 2), 2, vectors(ground, 2), 2, 0],
  sched_setscheduler: (ground) => [
    pid(ground),
    ground.random.below(4),
    words(ground, ground.random.below(3)),
  ],
  sched_setattr: (ground) => [
    pid(ground),
    words(ground, 48, ground.random.below(6), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    0,
  ],
  sched_getattr: (ground) => [pid(ground), room(ground), 48, 0],
  shmget: (ground) => [
    ground.random.below(5),
    size(ground.random),
    ground.random.pick([0o1666, 0o666, 0o3600]),
  ],
  shmat: (ground) => [
    id(ground),
    ground.random.pick([0, 0, 0x5800_0000]),
    ground.random.pick([0, 0o10000, 0o40000]),
  ],
  shmdt: ({ random, known }) => [known.attached.length > 0 ? random.pick(known.attached) : 0x5800_0000],
  semget: (ground) => [ground.random.below(5), 1 + ground.random.below(8), 0o1666],
  semop: (ground) => [id(ground), operation(ground), 1],
  semtimedop_time64: (ground) => [id(ground), operation(ground), 1, words(ground, ...time(ground, true))],
  msgget: (ground) => [ground.random.below(5), 0o1666],
  msgsnd: (ground) => [id(ground), words(ground, 1 + ground.random.below(3), 1, 2, 3), short(ground), 0x800],
  msgrcv: (ground) => [id(ground), room(ground), short(ground), ground.random.below(3), 0x800],
  mmap: (ground) => [
    words(
      ground,
      ...[0, 4096 * ground.random.below(40), ground.random.below(8), ground.random.pick([0x22, 0x21, 1, 2])],
      ...[fd(ground, 'file'), 0],
    ),
  ],
  set_thread_area: (ground) => [
    words(
      ground,
      ground.random.pick([0xffff_ffff, 6, 7]),
      pointer(ground.random, ground.known),
      0xf_ffff,
      0x51,
    ),
  ],
  get_thread_area: (ground) => [words(ground, 6 + ground.random.below(3), 0, 0, 0)],
  ioprio_set: (ground) => [1, pid(ground), ground.random.pick([0, 0x4000, 0x4007, 0x6000])],
  futimesat: (ground) => [folder(ground), some(ground), 0],
  faccessat2: (ground) => [
    folder(ground),
    some(ground),
    ground.random.below(8),
    ground.random.pick([0, 0x200]),
  ],
  statx: (ground) => [folder(ground), some(ground), 0, 0xfff, room(ground)],
  openat: (ground) => [
    folder(ground),
    some(ground),
    ground.random.pick([0, 0o102, 0o1101, 0o200000, flags(ground.random)]),
    0o666,
  ],
  prctl: (ground) => [
    1 + ground.random.below(65),
    ground.random.pick([0, 1, signal(ground), hotSlot(ground.random)]),
    0,
    0,
    0,
  ],
};
