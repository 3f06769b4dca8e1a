/* System calls of Linux on i386, and the structures that they fill. Numbers: arch/x86/entry/syscalls/syscall_32.tbl. */
#ifndef SYS_H
#define SYS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int bool;
enum { false, true };
#define NULL ((void *)0)

enum {
    SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_link = 9, SYS_unlink = 10,
    SYS_execve = 11, SYS_chdir = 12, SYS_chmod = 15, SYS_getpid = 20, SYS_mount = 21, SYS_sync = 36, SYS_kill = 37,
    SYS_rename = 38, SYS_mkdir = 39, SYS_rmdir = 40, SYS_pipe = 42, SYS_brk = 45, SYS_umount2 = 52, SYS_ioctl = 54,
    SYS_setpgid = 57, SYS_umask = 60, SYS_dup2 = 63, SYS_getppid = 64, SYS_setsid = 66, SYS_sethostname = 74, SYS_symlink = 83,
    SYS_readlink = 85, SYS_reboot = 88, SYS_socketcall = 102, SYS_syslog = 103, SYS_wait4 = 114, SYS_sysinfo = 116,
    SYS_fsync = 118, SYS_uname = 122, SYS__llseek = 140, SYS_nanosleep = 162, SYS_poll = 168, SYS_rt_sigaction = 174,
    SYS_getcwd = 183, SYS_ftruncate64 = 194, SYS_stat64 = 195, SYS_lstat64 = 196, SYS_fstat64 = 197, SYS_getuid32 = 199,
    SYS_chown32 = 212, SYS_getdents64 = 220, SYS_fcntl64 = 221, SYS_clock_gettime = 265, SYS_statfs64 = 268, SYS_utimensat = 320,
};

enum { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000, O_DIRECTORY = 0200000 };
enum { S_IFMT = 0170000, S_IFDIR = 0040000, S_IFCHR = 0020000, S_IFBLK = 0060000, S_IFLNK = 0120000, S_IFIFO = 0010000 };
enum { ENOENT = 2, EINTR = 4, EEXIST = 17, ENOTDIR = 20, EISDIR = 21 };
enum { SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGUSR1 = 10, SIGUSR2 = 12, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17,
       SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21, SIGTTOU = 22 };
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
enum { WNOHANG = 1, WUNTRACED = 2 };
enum { TCGETS = 0x5401, TCSETSW = 0x5403, TIOCSCTTY = 0x540e, TIOCGPGRP = 0x540f, TIOCSPGRP = 0x5410, TIOCGWINSZ = 0x5413 };
enum { ICRNL = 0400, ISIG = 1, ICANON = 2, ECHO = 8, IEXTEN = 0100000, VTIME = 5, VMIN = 6 };

struct stat {
    u64 dev; u32 pad0, ino32; u32 mode, nlink, uid, gid; u64 rdev; u32 pad1; u64 size; u32 blksize; u64 blocks;
    u32 atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns; u64 ino;
} __attribute__((packed));
struct statfs { u32 type, bsize; u64 blocks, bfree, bavail, files, ffree; u32 fsid[2], namelen, frsize, flags, spare[4]; } __attribute__((packed));
struct dirent { u64 ino, off; u16 reclen; u8 type; char name[]; } __attribute__((packed));
struct termios { u32 iflag, oflag, cflag, lflag; u8 line, cc[19]; };
struct winsize { u16 rows, columns, x, y; };
struct timespec { u32 sec, nsec; };
struct utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65]; };
struct sysinfo { u32 uptime, loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap; u16 procs, pad; u32 totalhigh, freehigh, unit; char fill[8]; };
struct pollfd { int fd; u16 events, revents; };

/* @returns the result, or -errno */
int syscall(int number, ...);

#define exit(status) (syscall(SYS_exit, status), __builtin_unreachable())
#define fork() syscall(SYS_fork)
#define read(fd, to, n) syscall(SYS_read, fd, to, n)
#define write(fd, from, n) syscall(SYS_write, fd, from, n)
#define open(path, flags, mode) syscall(SYS_open, path, (flags) | 0100000, mode)
#define close(fd) syscall(SYS_close, fd)
#define ioctl(fd, request, argument) syscall(SYS_ioctl, fd, request, argument)
#define stat(path, s) syscall(SYS_stat64, path, s)
#define lstat(path, s) syscall(SYS_lstat64, path, s)
#define kill(pid, signal) syscall(SYS_kill, pid, signal)
#define wait4(pid, status, options) syscall(SYS_wait4, pid, status, options, 0)

void on_signal(int signal, void (*handler)(int));

#endif
