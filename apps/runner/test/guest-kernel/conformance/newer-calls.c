/* Files without a name that get one, walks that must stay somewhere, clone3, vmsplice. */
#include "conformance.h"
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <sys/uio.h>

static int open2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {flags, mode, resolve};
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static long clone3_(struct clone_args *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

static void *make_stack(void)
{
    return mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void nameless(void)
{
    char path[64], text[10] = "";
    struct stat st;
    mkdir("d", 0755);
    int fd = open("d", O_TMPFILE | O_RDWR, 0644);
    SHOW(fd >= 0);
    fstat(fd, &st);
    printf("mode %o links %d\n", st.st_mode, (int)st.st_nlink);
    SHOW(write(fd, "nameless", 8));
    SHOW(rmdir("d"));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    fstat(fd, &st);
    printf("links %d\n", (int)st.st_nlink);
    int again = open("named", O_RDONLY);
    SHOW(read(again, text, 9));
    puts(text);
    SHOW(unlink("named"));
    close(fd);
    close(again);
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
    close(fd);
    TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
    TRY(open("absent", O_TMPFILE | O_RDWR, 0600));
    close(open("plain", O_CREAT | O_WRONLY, 0600));
    TRY(open("plain", O_TMPFILE | O_RDWR, 0600));
    TRY(open("/proc", O_TMPFILE | O_RDWR, 0600));
}

static void scoped(void)
{
    mkdir("box", 0755);
    mkdir("box/in", 0755);
    symlink("/in", "box/absolute");
    symlink("..", "box/up");
    symlink("in/../in", "box/within");
    close(open("outside", O_CREAT | O_WRONLY, 0600));
    close(open("box/in/file", O_CREAT | O_WRONLY, 0600));
    int box = open("box", O_PATH | O_DIRECTORY);
    SHOW(open2(box, "in/file", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
    SHOW(open2(box, "in/../in/file", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
    SHOW(open2(box, "within/file", O_RDONLY, 0, RESOLVE_BENEATH) >= 0);
    TRY(open2(box, "../outside", O_RDONLY, 0, RESOLVE_BENEATH));
    TRY(open2(box, "up/outside", O_RDONLY, 0, RESOLVE_BENEATH));
    TRY(open2(box, "absolute/file", O_RDONLY, 0, RESOLVE_BENEATH));
    TRY(open2(box, "/in/file", O_RDONLY, 0, RESOLVE_BENEATH));
    SHOW(open2(box, "absolute/file", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
    SHOW(open2(box, "/../../in/file", O_RDONLY, 0, RESOLVE_IN_ROOT) >= 0);
    TRY(open2(box, "../outside", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SHOW(open2(box, "../outside", O_RDONLY, 0, 0) >= 0);
    TRY(open2(box, "within/file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
    TRY(open2(AT_FDCWD, "/proc/self/fd/0/", O_RDONLY | O_PATH, 0, RESOLVE_NO_MAGICLINKS));
    TRY(open2(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV));
    SHOW(open2(box, "new", O_CREAT | O_WRONLY, 0640, RESOLVE_BENEATH) >= 0);
    TRY(open2(box, "../new", O_CREAT | O_WRONLY, 0640, RESOLVE_BENEATH));
    TRY(open2(box, "in", O_RDONLY, 0600, 0));
    TRY(open2(box, "in", 0x40000000, 0, 0));
    TRY(open2(box, "in", 1ull << 40, 0, 0));
    TRY(open2(box, "in", O_RDONLY, 0, 1 << 20));
    TRY(open2(box, "in", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
    uint64_t longer[4] = {0};
    SHOW(syscall(SYS_openat2, box, "in", longer, 32) >= 0);
    longer[3] = 1;
    TRY(syscall(SYS_openat2, box, "in", longer, 32));
    TRY(syscall(SYS_openat2, box, "in", longer, 16));
}

static volatile int word;
static void on_signal(int signal) { (void)signal; }

static void clones(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};
    int status, pidfd = -1;
    pid_t child = 0, parent = 0;
    fflush(stdout);
    signal(SIGUSR1, on_signal);
    args.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND;
    args.pidfd = (uintptr_t)&pidfd;
    args.parent_tid = (uintptr_t)&parent;
    long pid = clone3_(&args, sizeof args);
    if (pid == 0) {
        struct sigaction action;
        sigaction(SIGUSR1, 0, &action);
        _exit(action.sa_handler == SIG_DFL ? 5 : 6);
    }
    SHOW(pid > 0 && pid == parent && pidfd >= 0);
    struct pollfd p = {pidfd, POLLIN, 0};
    SHOW(poll(&p, 1, 10000));
    SHOW(waitpid(pid, &status, 0) == pid);
    SHOW(WEXITSTATUS(status));

    /* Shares memory, on a stack of its own. */
    char *stack = make_stack();
    memset(&args, 0, sizeof args);
    args.flags = CLONE_VM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_VFORK;
    args.exit_signal = SIGCHLD;
    args.child_tid = (uintptr_t)&child;
    args.stack = (uintptr_t)stack;
    args.stack_size = 65536;
    register long result asm("eax") = SYS_clone3;
    asm volatile("int $0x80; test %%eax, %%eax; jnz 1f; movl $77, %[word]; lea -65536(%%esp), %%ecx; cmp %[stack], %%ecx;"
                 "setne %%bl; movzbl %%bl, %%ebx; mov $1, %%eax; int $0x80; 1:"
                 : "+r"(result), [word] "=m"(word)
                 : "b"(&args), "c"(sizeof args), [stack] "S"(stack)
                 : "memory", "cc");
    SHOW(result > 0);
    SHOW(word);
    SHOW(waitpid(result, &status, 0) == result);
    SHOW(WEXITSTATUS(status));
    SHOW(child);

    struct clone_args bad = {.exit_signal = SIGCHLD};
    TRY(clone3_(&bad, 56));
    TRY(clone3_(&bad, 8192));
    TRY(syscall(SYS_clone3, 8, 64));
    bad.flags = 17;
    TRY(clone3_(&bad, sizeof bad));
    bad.flags = 0;
    bad.exit_signal = 65;
    TRY(clone3_(&bad, sizeof bad));
    bad.exit_signal = SIGCHLD;
    bad.stack = 4096;
    TRY(clone3_(&bad, sizeof bad));
    bad.stack = 0;
    bad.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND;
    TRY(clone3_(&bad, sizeof bad));
    bad.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    TRY(clone3_(&bad, sizeof bad));
}

static void vectors(void)
{
    int pipes[2];
    char text[20] = "";
    pipe(pipes);
    struct iovec v[2] = {{"hello ", 6}, {"pipe", 4}};
    SHOW(vmsplice(pipes[1], v, 2, 0));
    v[0] = (struct iovec){text, 3};
    v[1] = (struct iovec){text + 3, 15};
    SHOW(vmsplice(pipes[0], v, 2, 0));
    puts(text);
    TRY(vmsplice(pipes[0], v, 2, SPLICE_F_NONBLOCK));
    TRY(vmsplice(pipes[0], v, 2, 64));
    TRY(vmsplice(0x7fff, v, 2, 0));
    TRY(vmsplice(pipes[0], v, 2000, 0));
    TRY(vmsplice(pipes[1], (void *)8, 1, 0));
    int file = open("plain", O_RDWR);
    TRY(vmsplice(file, v, 2, 0));
    char *much = calloc(1, 100000);
    v[0] = (struct iovec){much, 100000};
    SHOW(vmsplice(pipes[1], v, 1, SPLICE_F_NONBLOCK) >= 61440);
    TRY(vmsplice(pipes[1], v, 1, SPLICE_F_NONBLOCK));
}

static void busy(void)
{
    TRY(open("/proc/self/exe", O_WRONLY));
    TRY(open("/proc/self/exe", O_RDWR | O_TRUNC));
    TRY(truncate("/proc/self/exe", 0));
    SHOW(open("/proc/self/exe", O_RDONLY) >= 0);
}

int main(void)
{
    busy();
    nameless();
    scoped();
    clones();
    vectors();
    return 0;
}
