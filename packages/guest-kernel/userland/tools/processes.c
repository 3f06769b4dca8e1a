#include "../lib.h"

/* A field of /proc/PID/stat, counted from the state (0), behind the name in parentheses. */
static const char *field(const char *stat, int index)
{
    const char *p = stat;
    for (const char *q = stat; *q; q++)
        if (*q == ')') p = q;
    for (p += 2; index > 0 && *p; p++)
        if (*p == ' ') index--;
    u32 n = 0;
    while (p[n] && p[n] != ' ') n++;
    char *text = memcpy(allocate(n + 1), p, n);
    text[n] = 0;
    return text;
}

static const char *command(const char *pid, const char *stat)
{
    static char line[256];
    int fd = open(join_path(join_path("/proc", pid), "cmdline"), O_RDONLY, 0), n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    if (n > 0) {
        line[n] = 0;
        for (int i = 0; i < n - 1; i++)
            if (!line[i]) line[i] = ' ';
        return line;
    }
    const char *from = upto(stat, '('), *end = upto(stat, ')');
    u32 length = end - from - 1;
    if (length > sizeof line - 3) length = sizeof line - 3;
    line[0] = '[';
    memcpy(line + 1, from + 1, length);
    line[length + 1] = ']';
    line[length + 2] = 0;
    return line;
}

int ps_main(int argc, char **argv)
{
    struct words names = { 0 };
    int pid;
    (void)argc, (void)argv;
    int result = list_directory("/proc", &names);
    if (result < 0) return failed("/proc", result);
    print("%5s %5s %5s S %8s COMMAND\n", "PID", "PPID", "PGID", "RSS");
    for (int wanted = 0, next; ; wanted = next) {
        const char *name = NULL;
        next = 0x7fffffff;
        for (int i = 0; i < names.count; i++)
            if (number(names.at[i], &pid) && pid > wanted && pid < next) next = pid, name = names.at[i];
        if (!name) return 0;
        char *stat = read_file(join_path(join_path("/proc", name), "stat"));
        if (!stat) continue;
        int pages = 0;
        number(field(stat, 21), &pages);
        print("%5s %5s %5s %s %7dK %s\n", name, field(stat, 1), field(stat, 2), field(stat, 0), pages * 4, command(name, stat));
    }
}

static const struct { const char *name; int number; } signals[] = {
    { "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
    { "TERM", SIGTERM }, { "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP },
};

int kill_main(int argc, char **argv)
{
    int signal = SIGTERM, from = 1, status = 0;
    if (argc > 1 && argv[1][0] == '-') {
        const char *name = argv[1] + 1;
        if (!number(name, &signal)) {
            signal = -1;
            for (int i = 0; i < count_of(signals); i++)
                if (strcmp(name, signals[i].name) == 0) signal = signals[i].number;
        }
        from = 2;
    }
    if (signal < 0 || from >= argc) return complain("usage: kill [-SIGNAL] PID..."), 2;
    for (int i = from; i < argc; i++) {
        int pid, result = number(argv[i], &pid) ? kill(pid, signal) : -3;
        if (result < 0) status = failed(argv[i], result);
    }
    return status;
}

int id_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    int uid = syscall(SYS_getuid32);
    print("uid=%d%s\n", uid, uid == 0 ? "(root)" : "");
    return 0;
}
