/* Programs that print the same on Linux and on the guest kernel: results by name, errors by number. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Prints what a call returned: its value below zero as the error's number, otherwise "ok". */
#define TRY(call) (errno = 0, tell(#call, (long)(call), 0))
/* The same with the value itself. */
#define SHOW(call) (errno = 0, tell(#call, (long)(call), 1))

static inline long tell(const char *what, long value, int with_value)
{
    int error = errno;
    if (value == -1 && error != 0) printf("%s: error %d\n", what, error);
    else if (with_value) printf("%s: %ld\n", what, value);
    else printf("%s: ok\n", what);
    fflush(stdout);
    return value;
}

/* Runs a block in a child and prints how that ended. */
#define IN_CHILD(name, ...)                                                                  \
    do {                                                                                     \
        fflush(stdout);                                                                      \
        pid_t pid_ = fork();                                                                 \
        if (pid_ == 0) {                                                                     \
            __VA_ARGS__;                                                                     \
            fflush(stdout);                                                                  \
            _exit(0);                                                                        \
        }                                                                                    \
        end_of(name, pid_);                                                                  \
    } while (0)

static inline void end_of(const char *name, pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) printf("%s: not reaped\n", name);
    else if (WIFSIGNALED(status)) printf("%s: signal %d\n", name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0) printf("%s: status %d\n", name, WEXITSTATUS(status));
    fflush(stdout);
}

static inline void nap(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, 0);
}
