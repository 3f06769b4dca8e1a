/* Files without a name, vectors with flags, processes as files, memory of another. */
#include "conformance.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>

int main(void)
{
    char text[100] = "";
    int fd = syscall(SYS_memfd_create, "some name", 1);
    SHOW(fd >= 0);
    SHOW(fcntl(fd, F_GETFD));
    SHOW(write(fd, "hello world", 11));
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    char link[100] = "";
    SHOW(readlink(text, link, sizeof link - 1));
    printf("%s\n", link);
    struct stat st;
    SHOW(fstat(fd, &st));
    printf("mode %o links %d size %d\n", st.st_mode, (int)st.st_nlink, (int)st.st_size);
    char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(shared, "HELLO", 5);
    SHOW(pread(fd, text, 11, 0));
    printf("%.11s\n", text);
    SHOW(ftruncate(fd, 3));
    SHOW(lseek(fd, 0, SEEK_END));
    TRY(syscall(SYS_memfd_create, "x", 0x80));
    TRY(syscall(SYS_memfd_create, (char *)8, 0));

    /* Vectors. */
    struct iovec v[2] = {{"abc", 3}, {"defg", 4}};
    SHOW(lseek(fd, 1, SEEK_SET));
    SHOW(pwritev2(fd, v, 2, -1, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pwritev2(fd, v, 1, 0, RWF_DSYNC));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(pwritev2(fd, v, 1, 0, RWF_APPEND));
    SHOW(pwritev2(fd, v, 1, 0, 0x8000));
    v[0] = (struct iovec){text, 4};
    v[1] = (struct iovec){text + 4, 90};
    SHOW(preadv2(fd, v, 2, 0, 0));
    printf("%.11s\n", text);
    int pipes[2];
    pipe(pipes);
    SHOW(preadv2(pipes[0], v, 2, -1, RWF_NOWAIT));
    SHOW(preadv2(pipes[0], v, 2, 0, 0));

    /* Memory of another. */
    static char here[20] = "of the parent";
    IN_CHILD("reads its parent", {
        char copy[20] = "";
        struct iovec local = {copy, 14};
        struct iovec remote[2] = {{here, 3}, {here + 3, 11}};
        strcpy(here, "of the child");
        SHOW(process_vm_readv(getppid(), &local, 1, remote, 2, 0));
        printf("%s\n", copy);
        remote[1].iov_base = (void *)0x10;
        SHOW(process_vm_readv(getppid(), &local, 1, remote, 2, 0));
        SHOW(process_vm_readv(getppid(), &local, 1, remote + 1, 1, 0));
        SHOW(process_vm_readv(getppid(), &local, 1, remote, 2, 1));
        local = (struct iovec){"CHANGED", 8};
        SHOW(process_vm_writev(getppid(), &local, 1, remote, 1, 0));
        SHOW(process_vm_readv(32000, &local, 1, remote, 2, 0));
        pid_t root = getppid();
        if (setgid(1000) || setuid(1000)) _exit(9);
        SHOW(process_vm_readv(root, &local, 1, remote, 1, 0));
    });
    printf("%s\n", here);

    /* Processes as files. */
    fflush(stdout);
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (pid == 0) {
        read(go[0], text, 1);
        _exit(7);
    }
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    SHOW(pidfd >= 0);
    SHOW(fcntl(pidfd, F_GETFD));
    struct pollfd p = {pidfd, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    SHOW(syscall(SYS_pidfd_send_signal, pidfd, 0, 0, 0));
    int other = syscall(438, pidfd, go[1], 0);
    SHOW(other >= 0);
    SHOW(write(other, "x", 1));
    SHOW(poll(&p, 1, 10000));
    SHOW(p.revents);
    siginfo_t info = {0};
    SHOW(waitid(3, pidfd, &info, WEXITED));
    SHOW(info.si_status);
    TRY(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0));
    TRY(waitid(3, pidfd, &info, WEXITED));
    TRY(waitid(3, 99, &info, WEXITED));
    TRY(syscall(SYS_pidfd_open, 32000, 0));
    TRY(syscall(SYS_pidfd_open, -1, 0));
    TRY(syscall(SYS_pidfd_open, getpid(), 1));

    /* epoll with a fine timeout. */
    int ep = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.u32 = 5}};
    epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &event);
    long long timeout[2] = {0, 1000};
    SHOW(syscall(441, ep, &event, 1, timeout, 0, 0));
    write(pipes[1], "x", 1);
    SHOW(syscall(441, ep, &event, 1, 0, 0, 0));
    SHOW(event.data.u32);
    /* Signals to a thread of another user. */
    pid_t root = getpid();
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        siginfo_t queued = {.si_signo = SIGUSR1, .si_code = -1};
        TRY(syscall(SYS_rt_tgsigqueueinfo, root, root, SIGUSR1, &queued));
        TRY(syscall(SYS_rt_sigqueueinfo, root, SIGUSR1, &queued));
        TRY(kill(root, SIGUSR1));
    });
    return 0;
}
