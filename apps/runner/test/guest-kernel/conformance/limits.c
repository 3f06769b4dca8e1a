/* Limits: who may change whose. */
#include "conformance.h"
#include <sys/resource.h>

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
    TRY(prlimit64(99999, RLIMIT_NOFILE, 0, &old));
    TRY(prlimit64(0, 16, 0, &old));
    return 0;
}
