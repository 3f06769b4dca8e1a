/* Policies and priorities: what is kept, and who may set them. */
#include "conformance.h"
#include <sched.h>
#include <sys/resource.h>

struct attributes {
    unsigned size, policy;
    unsigned long long flags;
    int nice;
    unsigned priority;
    unsigned long long runtime, deadline, period;
};

static void tell_attributes(void)
{
    struct attributes a;
    memset(&a, 0x55, sizeof a);
    SHOW(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0));
    printf("size %u policy %u nice %d priority %u\n", a.size, a.policy, a.nice, a.priority);
}

int main(void)
{
    struct sched_param p = {0};
    struct timespec t;
    /* Whatever the host's was. */
    SHOW(setpriority(PRIO_PROCESS, 0, 0));
    SHOW(syscall(SYS_sched_getscheduler, 0));
    SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &p));
    SHOW(syscall(SYS_sched_getscheduler, 0));
    SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    p.sched_priority = 5;
    SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    SHOW(syscall(SYS_sched_setscheduler, 0, 77, &p));
    SHOW(syscall(SYS_sched_setscheduler, 0, -1, &p));
    SHOW(syscall(SYS_sched_setscheduler, 0, 0, 0));
    SHOW(syscall(SYS_sched_setscheduler, 32000, 0, &p));
    SHOW(syscall(SYS_sched_getscheduler, -3));
    SHOW(syscall(SYS_sched_getparam, 0, &p));
    SHOW(p.sched_priority);
    SHOW(syscall(SYS_sched_getparam, 0, 0));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_get_priority_min(SCHED_RR));
    SHOW(sched_get_priority_max(SCHED_OTHER));
    SHOW(sched_get_priority_min(99));
    SHOW(syscall(SYS_sched_rr_get_interval, 32000, &t));
    tell_attributes();
    struct attributes a = {.size = 48, .policy = SCHED_BATCH, .nice = 3};
    SHOW(syscall(SYS_sched_setattr, 0, &a, 0));
    tell_attributes();
    SHOW(syscall(SYS_sched_setattr, 0, &a, 1));
    a.size = 20;
    SHOW(syscall(SYS_sched_setattr, 0, &a, 0));
    SHOW(syscall(SYS_sched_getattr, 0, &a, 20, 0));
    SHOW(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
    SHOW(syscall(SYS_ioprio_get, 1, 0));
    SHOW(syscall(SYS_ioprio_set, 9, 0, 0));
    IN_CHILD("inherits", {
        SHOW(syscall(SYS_sched_getscheduler, 0));
        SHOW(syscall(SYS_ioprio_get, 1, 0));
    });
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        p.sched_priority = 1;
        SHOW(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
        p.sched_priority = 0;
        SHOW(syscall(SYS_sched_setscheduler, 1, SCHED_OTHER, &p));
        SHOW(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    });
    SHOW(syscall(SYS_unshare, 0));
    SHOW(syscall(SYS_unshare, 0x00000001));
    SHOW(syscall(SYS_unshare, 0x600));
    SHOW(syscall(SYS_setns, 77, 0));
    return 0;
}
