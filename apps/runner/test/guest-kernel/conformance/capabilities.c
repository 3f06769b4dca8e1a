/* Capabilities: what becomes of them when users change and programs begin, who may give them up, and what they are good for. */
#include "conformance.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

struct sets {
    unsigned effective, permitted, inheritable;
};

static int get(struct sets *s)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    int result = syscall(SYS_capget, &header, data);
    *s = (struct sets){data[0].effective, data[0].permitted, data[0].inheritable};
    return result;
}

static int set(unsigned effective, unsigned permitted, unsigned inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}, {0}};
    return syscall(SYS_capset, &header, data);
}

/* Of some that the host's root has in any case. */
#define SOME (1u << CAP_CHOWN | 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL | 1u << CAP_FOWNER | 1u << CAP_DAC_OVERRIDE)
#define TELL(what)                                                                                        \
    do {                                                                                                  \
        struct sets s;                                                                                    \
        get(&s);                                                                                          \
        printf("%s: effective %x permitted %x inheritable %x\n", what, s.effective & SOME,                \
               s.permitted & SOME, s.inheritable & SOME);                                                 \
    } while (0)

int main(int argc, char **argv)
{
    if (argc > 1) {
        TELL("in a new program");
        SHOW(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
        SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
        SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        return 0;
    }
    /* As setpriv does it. */
    IN_CHILD("keeps its capabilities", {
        SHOW(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
        SHOW(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
        SHOW(setresuid(33, 33, 33));
        TELL("as user 33");
        TRY(setresgid(33, 33, 33));
        SHOW(set(SOME, SOME, 0));
        SHOW(setresgid(33, 33, 33));
        SHOW(setgroups(0, 0));
        TELL("with them again");
        fflush(stdout);
        execl("/proc/self/exe", "x", "again", NULL);
    });
    IN_CHILD("without", {
        SHOW(setresuid(33, 33, 33));
        TELL("as user 33");
        TRY(set(SOME, SOME, 0));
        TRY(setresuid(0, 0, 0));
        TRY(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
    });
    IN_CHILD("and back", {
        SHOW(seteuid(33));
        TELL("as effective user 33");
        TRY(chown("/", 0, 0));
        SHOW(seteuid(0));
        TELL("as root");
        SHOW(set(SOME & ~(1u << CAP_SETUID), SOME, 0));
        TRY(setuid(5));
        SHOW(set(SOME, SOME, 0));
        SHOW(setfsuid(33));
        TELL("with files of user 33");
        SHOW(setfsuid(0));
        TELL("with files of root");
    });
    IN_CHILD("ambient", {
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
        SHOW(set(SOME, SOME, SOME));
        SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
        SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
        SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
        TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
        TRY(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0));
        SHOW(prctl(PR_SET_SECUREBITS, 0x10, 0, 0, 0));
        SHOW(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
        SHOW(setresuid(33, 33, 33));
        SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
        fflush(stdout);
        execl("/proc/self/exe", "x", "again", NULL);
    });
    IN_CHILD("a smaller bound", {
        SHOW(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0));
        SHOW(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0));
        SHOW(prctl(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0));
        TRY(prctl(PR_CAPBSET_READ, 64, 0, 0, 0));
        TRY(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
        SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        TELL("still");
        fflush(stdout);
        execl("/proc/self/exe", "x", "again", NULL);
    });
    IN_CHILD("what they are good for", {
        SHOW(set(0, SOME, 0));
        int fd = open("capability", O_CREAT | O_RDWR, 0600);
        SHOW(fd >= 0);
        TRY(fchown(fd, 1000, 1000));
        SHOW(set(1u << CAP_CHOWN, SOME, 0));
        SHOW(fchown(fd, 1000, 1000));
        TRY(open("capability", O_RDWR));
        TRY(fchmod(fd, 0640));
        SHOW(set(1u << CAP_FOWNER, SOME, 0));
        SHOW(fchmod(fd, 0640));
        SHOW(access("capability", W_OK));
        SHOW(set(1u << CAP_DAC_OVERRIDE, SOME, 0));
        SHOW(open("capability", O_RDWR) >= 0);
        unlink("capability");
    });
    SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_TIMERSLACK, 7777, 0, 0, 0));
    SHOW(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
    TRY(prctl(12345, 0, 0, 0, 0));
    struct __user_cap_header_struct odd = {1, 0};
    TRY(syscall(SYS_capget, &odd, (char *)8));
    SHOW(odd.version == _LINUX_CAPABILITY_VERSION_3);
    odd.pid = -1;
    TRY(syscall(SYS_capget, &odd, &odd));
    return 0;
}
