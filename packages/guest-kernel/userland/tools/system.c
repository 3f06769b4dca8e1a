#include "../lib.h"

void print_time(u32 seconds);

int echo_main(int argc, char **argv)
{
    bool line_end = true;
    int from = 1;
    if (argc > 1 && strcmp(argv[1], "-n") == 0) line_end = false, from = 2;
    for (int i = from; i < argc; i++) print(i > from ? " %s" : "%s", argv[i]);
    if (line_end) put("\n");
    return 0;
}

int pwd_main(int argc, char **argv)
{
    char where[1024];
    (void)argc, (void)argv;
    int result = syscall(SYS_getcwd, where, sizeof where);
    if (result < 0) return failed("pwd", result);
    print("%s\n", where);
    return 0;
}

int true_main(int argc, char **argv) { (void)argc, (void)argv; return 0; }
int false_main(int argc, char **argv) { (void)argc, (void)argv; return 1; }

int test_main(int argc, char **argv)
{
    int a, b;
    struct stat s;
    if (argv[0][0] == '[') argc--;
    bool negated = argc > 1 && strcmp(argv[1], "!") == 0;
    char **w = argv + 1 + negated;
    int n = argc - 1 - negated;
    bool yes = false;
    if (n == 1) yes = w[0][0] != 0;
    else if (n == 2 && w[0][0] == '-' && *upto("zn", w[0][1])) yes = (w[1][0] == 0) == (w[0][1] == 'z');
    else if (n == 2) {
        bool there = (w[0][1] == 'L' ? lstat(w[1], &s) : stat(w[1], &s)) == 0;
        u32 type = s.mode & S_IFMT;
        yes = there && (w[0][1] == 'e' || (w[0][1] == 'f' && type == 0100000) || (w[0][1] == 'd' && type == S_IFDIR) ||
                        (w[0][1] == 'L' && type == S_IFLNK) || (w[0][1] == 's' && s.size > 0) || (w[0][1] == 'x' && (s.mode & 0111)));
    } else if (n == 3 && w[1][0] == '-' && number(w[0], &a) && number(w[2], &b)) {
        const char *o = w[1] + 1;
        yes = strcmp(o, "eq") == 0 ? a == b : strcmp(o, "ne") == 0 ? a != b : strcmp(o, "lt") == 0 ? a < b :
              strcmp(o, "le") == 0 ? a <= b : strcmp(o, "gt") == 0 ? a > b : strcmp(o, "ge") == 0 && a >= b;
    } else if (n == 3)
        yes = (strcmp(w[0], w[2]) == 0) == (w[1][0] == '=');
    return yes == negated;
}

int sleep_main(int argc, char **argv)
{
    int seconds = 0;
    if (argc < 2 || !number(argv[1], &seconds) || seconds < 0) return complain("usage: sleep SECONDS"), 2;
    struct timespec t = { seconds, 0 };
    syscall(SYS_nanosleep, &t, NULL);
    return 0;
}

int uname_main(int argc, char **argv)
{
    struct utsname u;
    (void)argc;
    const char *o = options(&argv, "asnrm");
    if (!o) return 2;
    syscall(SYS_uname, &u);
    if (!*o) print("%s\n", u.sysname);
    else if (*upto(o, 'a')) print("%s %s %s %s %s\n", u.sysname, u.nodename, u.release, u.version, u.machine);
    else print("%s\n", *upto(o, 'r') ? u.release : *upto(o, 'n') ? u.nodename : *upto(o, 'm') ? u.machine : u.sysname);
    return 0;
}

int date_main(int argc, char **argv)
{
    struct timespec t;
    (void)argc, (void)argv;
    syscall(SYS_clock_gettime, 0, &t);
    print_time(t.sec);
    print(":%02u UTC\n", t.sec % 60);
    return 0;
}

int uptime_main(int argc, char **argv)
{
    struct sysinfo s;
    (void)argc, (void)argv;
    syscall(SYS_sysinfo, &s);
    print("up %u:%02u:%02u, %u processes, load", s.uptime / 3600, s.uptime / 60 % 60, s.uptime % 60, s.procs);
    for (int i = 0; i < 3; i++) print(" %u.%02u", s.loads[i] >> 16, (s.loads[i] & 0xffff) * 100 >> 16);
    put("\n");
    return 0;
}

int free_main(int argc, char **argv)
{
    struct sysinfo s;
    (void)argc, (void)argv;
    syscall(SYS_sysinfo, &s);
    u32 unit = s.unit ? s.unit : 1;
    u64 total = divide((u64)s.totalram * unit, 1024, NULL), left = divide((u64)s.freeram * unit, 1024, NULL);
    print("%12s %10s %10s\n%12b %10b %10b KiB\n", "total", "used", "free", total, total - left, left);
    return 0;
}

int hostname_main(int argc, char **argv)
{
    struct utsname u;
    if (argc > 1) {
        int result = syscall(SYS_sethostname, argv[1], strlen(argv[1]));
        return result < 0 ? failed(argv[1], result) : 0;
    }
    syscall(SYS_uname, &u);
    print("%s\n", u.nodename);
    return 0;
}

int env_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (char **e = environment; *e; e++) print("%s\n", *e);
    return 0;
}

int clear_main(int argc, char **argv) { (void)argc, (void)argv; put("\033[H\033[2J"); return 0; }
int sync_main(int argc, char **argv) { (void)argc, (void)argv; syscall(SYS_sync); return 0; }

int dmesg_main(int argc, char **argv)
{
    static char log[65536];
    (void)argc, (void)argv;
    int n = syscall(SYS_syslog, 3, log, sizeof log);
    if (n < 0) return failed("dmesg", n);
    put_bytes(log, n);
    return 0;
}

/* Tells init, which ends everything in order: SIGUSR2 to power off, SIGTERM to restart. */
int poweroff_main(int argc, char **argv) { (void)argc, (void)argv; return kill(1, SIGUSR2) < 0; }
int reboot_main(int argc, char **argv) { (void)argc, (void)argv; return kill(1, SIGTERM) < 0; }
