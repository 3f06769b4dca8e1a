/**
 * Programs in the order in which they ask more of a kernel, each with the system calls that no program before it makes.
 * Recorded with strace on Linux 6.18, Debian 12 for i386. What libraries multiplex is listed under both names.
 */
export interface Rung {
  readonly rung: number;
  readonly programs: string;
  readonly calls: string;
}

export const LADDER: readonly Rung[] = [
  { rung: 0, programs: 'hello in assembly', calls: 'execve exit exit_group write' },
  { rung: 1, programs: 'hello, musl', calls: 'writev ioctl set_thread_area set_tid_address' },
  {
    rung: 2,
    programs: 'sh of klibc',
    calls:
      'open close read fork wait4 sigaction sigreturn stat64 fstat64 mmap2 getpid getppid geteuid32 getcwd',
  },
  {
    rung: 3,
    programs: 'hello, glibc, static',
    calls: 'brk mprotect readlink getrandom rseq statx ugetrlimit set_robust_list',
  },
  { rung: 4, programs: 'hello, glibc, dynamic', calls: 'access openat munmap' },
  {
    rung: 5,
    programs: 'busybox',
    calls:
      'clone dup2 pipe2 getdents64 _llseek prctl rt_sigaction rt_sigprocmask rt_sigsuspend clock_nanosleep sendfile64 statfs64 uname unlink getuid32',
  },
  {
    rung: 6,
    programs: 'bash, zsh, dash',
    calls: 'fcntl64 futex getpgrp getegid32 getgid32 getpeername sysinfo',
  },
  {
    rung: 7,
    programs: 'coreutils',
    calls:
      'socketcall socket connect getxattr lgetxattr fadvise64_64 fchmodat utimensat renameat2 symlinkat unlinkat copy_file_range fstatfs64 vfork prlimit64 sched_getaffinity sigaltstack umask',
  },
  { rung: 9, programs: 'sqlite3', calls: 'pread64 pwrite64 fdatasync ftruncate64 fchown32 mremap' },
  { rung: 10, programs: 'perl, python3', calls: 'gettid' },
  {
    rung: 11,
    programs: 'python3 with threads, processes, sockets',
    calls: 'clone3 close_range epoll_create1 poll madvise socketpair sendto recvfrom getsockname',
  },
  { rung: 12, programs: '7za, xz', calls: 'fchmod lstat64 mkdir' },
  {
    rung: 13,
    programs: 'git, gcc',
    calls: 'chdir chmod rename link symlink rmdir fsync getrusage faccessat2',
  },
  {
    rung: 15,
    programs: 'deltachat-rpc-server',
    calls: 'epoll_ctl epoll_pwait eventfd2 flock sched_yield',
  },
  { rung: 16, programs: 'httpd and wget of busybox', calls: 'bind listen setsockopt shutdown kill alarm' },
  {
    rung: 17,
    programs: 'nginx, lighttpd, curl',
    calls:
      'accept4 epoll_create epoll_wait getsockopt recvmsg sendmsg rt_sigreturn setuid32 setgid32 setgroups32',
  },
  { rung: 18, programs: 'redis, memcached', calls: 'dup setitimer' },
  {
    rung: 19,
    programs: 'dropbear',
    calls:
      'pselect6 setsid setpgid setresuid32 setresgid32 timer_create timer_settime64 timer_settime clock_gettime64',
  },
  {
    rung: 20,
    programs: 'ffmpeg',
    calls: '_newselect clock_gettime time getpriority setpriority',
  },
  {
    rung: 21,
    programs: 'Go programs, esbuild',
    calls: 'nanosleep tgkill fcntl fstatat64 readlinkat futex_time64 arch_prctl',
  },
  {
    rung: 22,
    programs: 'php, ruby, stress-ng, fio',
    calls:
      'futex_waitv get_mempolicy set_mempolicy getpgid mlock mmap restart_syscall sched_setaffinity timerfd_settime vhangup',
  },
  { rung: 23, programs: 'nodejs, dart', calls: 'capget clock_getres_time64 timerfd_create' },
  {
    rung: 24,
    programs: 'PostgreSQL',
    calls:
      'ipc shmget shmat shmdt shmctl signalfd4 sync_file_range fallocate pwritev capset getresuid32 getresgid32 getgroups32',
  },
];

/** The first rung whose programs make a call, by its name. */
export function firstRungs(): Map<string, number> {
  const first = new Map<string, number>();
  for (const { rung, calls } of LADDER)
    for (const name of calls.split(' ')) if (!first.has(name)) first.set(name, rung);
  return first;
}
