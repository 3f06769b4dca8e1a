/* Limits: who may change whose, and that they hold. */
#include "conformance.h"
#include <sys/resource.h>

static void on_signal(int signal) { printf("signal %d\n", signal); }

static void limit(int what, rlim_t value)
{
    struct rlimit l = {value, value};
    TRY(setrlimit(what, &l));
}

static int deep(int left)
{
    volatile char room[4096];
    room[0] = left;
    return left == 0 ? room[0] : deep(left - 1) + room[0];
}

int main(void)
{
    struct rlimit64 old, tight = {10, 20};
    pid_t root = getpid();
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        TRY(prlimit64(root, RLIMIT_NOFILE, &tight, 0));
        TRY(prlimit64(root, RLIMIT_NOFILE, 0, &old));
        TRY(prlimit64(0, RLIMIT_NOFILE, &tight, &old));
        TRY(prlimit64(0, RLIMIT_NOFILE, 0, &old));
        printf("%lld %lld\n", (long long)old.rlim_cur, (long long)old.rlim_max);
        tight.rlim_max = 21;
        TRY(prlimit64(0, RLIMIT_NOFILE, &tight, 0));
        tight.rlim_cur = 22;
        TRY(prlimit64(0, RLIMIT_NOFILE, &tight, 0));
        pid_t mine = getpid();
        tight = (struct rlimit64){5, 15};
        IN_CHILD("the same user", TRY(prlimit64(mine, RLIMIT_NOFILE, &tight, 0)));
        TRY(prlimit64(0, RLIMIT_NOFILE, 0, &old));
        printf("%lld %lld\n", (long long)old.rlim_cur, (long long)old.rlim_max);
    });
    IN_CHILD("RLIMIT_FSIZE", {
        signal(SIGXFSZ, on_signal);
        limit(RLIMIT_FSIZE, 1000);
        int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
        static char bytes[4096];
        SHOW(write(fd, bytes, 600));
        SHOW(write(fd, bytes, 600));
        SHOW(write(fd, bytes, 600));
        SHOW(pwrite(fd, bytes, 10, 995));
        SHOW(pwrite(fd, bytes, 10, 1000));
        SHOW(ftruncate(fd, 1000));
        SHOW(ftruncate(fd, 1001));
        SHOW(lseek(fd, 0, SEEK_END));
        unlink("limited");
        int pipes[2];
        pipe(pipes);
        SHOW(write(pipes[1], bytes, 4096));
        signal(SIGXFSZ, SIG_DFL);
        write(fd, bytes, 1);
    });
    IN_CHILD("RLIMIT_AS", {
        limit(RLIMIT_AS, 64 << 20);
        TRY(mmap(0, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
        char *some = mmap(0, 8 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        SHOW(some != MAP_FAILED);
        TRY(mremap(some, 8 << 20, 100 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
        TRY(sbrk(100 << 20) == (void *)-1 ? -1 : 0);
        munmap(some, 8 << 20);
    });
    IN_CHILD("RLIMIT_STACK", {
        SHOW(deep(200) > 0);
        limit(RLIMIT_STACK, 512 << 10);
        deep(20);
        deep(300);
    });
    IN_CHILD("RLIMIT_NPROC", {
        limit(RLIMIT_NPROC, 1);
        IN_CHILD("root may", _exit(0));
        if (setgid(4321) || setuid(4321)) _exit(9);
        TRY(fork());
    });
    IN_CHILD("RLIMIT_NOFILE", {
        limit(RLIMIT_NOFILE, 5);
        for (int fd = 3; fd < 20; fd++) close(fd);
        SHOW(dup(0) < 5);
        SHOW(dup(0) < 5);
        TRY(dup(0));
        TRY(dup2(0, 5));
        TRY(open("/", O_RDONLY));
    });
    TRY(prlimit64(99999, RLIMIT_NOFILE, 0, &old));
    TRY(prlimit64(0, 16, 0, &old));
    return 0;
}
