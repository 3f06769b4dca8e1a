#include "sh.h"

static int change_directory(char **argv)
{
    const char *to = argv[1] ? argv[1] : variable("HOME");
    if (to && strcmp(to, "-") == 0) to = variable("OLDPWD");
    if (!to) to = "/";
    int result = syscall(SYS_chdir, to);
    if (result < 0) return failed(to, result);
    char where[1024];
    const char *before = variable("PWD");
    if (before) set_variable("OLDPWD", 6, duplicate(before));
    if (syscall(SYS_getcwd, where, sizeof where) > 0) set_variable("PWD", 3, where);
    return 0;
}

static int export(char **argv)
{
    if (!argv[1]) list_variables(true);
    for (argv++; *argv; argv++) {
        char *equals = strchr(*argv, '=');
        if (equals) {
            set_variable(*argv, equals - *argv, equals + 1);
            *equals = 0;
        }
        export_variable(*argv);
    }
    return 0;
}

static int unset(char **argv)
{
    for (argv++; *argv; argv++) unset_variable(*argv);
    return 0;
}

static int set(char **argv)
{
    if (!argv[1]) list_variables(false);
    else {
        struct words all = { 0 };
        add_word(&all, arguments.at[0]);
        for (argv += 1 + (strcmp(argv[1], "--") == 0); *argv; argv++) add_word(&all, duplicate(*argv));
        arguments = all;
    }
    return 0;
}

static int leave(char **argv)
{
    int status = last_status;
    if (argv[1]) number(argv[1], &status);
    flush();
    exit(status);
    return 0;
}

static int wait_all(char **argv)
{
    int status;
    (void)argv;
    while (wait4(-1, &status, 0) > 0) continue;
    return 0;
}

static int execute(char **argv)
{
    if (!argv[1]) return 0;
    flush();
    int result = -ENOENT;
    if (strchr(argv[1], '/')) result = syscall(SYS_execve, argv[1], argv + 1, exported());
    else result = syscall(SYS_execve, join_path("/bin", argv[1]), argv + 1, exported());
    return failed(argv[1], result);
}

static int source(char **argv)
{
    char *text = argv[1] ? read_file(argv[1]) : NULL;
    if (!text) return failed(argv[1] ? argv[1] : ".", -ENOENT);
    return run_text(text);
}

static int read_variable(char **argv)
{
    char line[1024];
    u32 n = 0;
    while (n < sizeof line - 1 && read(0, line + n, 1) == 1 && line[n] != '\n') n++;
    bool ended = line[n] == '\n';
    line[n] = 0;
    const char *name = argv[1] ? argv[1] : "REPLY";
    set_variable(name, strlen(name), line);
    return n > 0 || ended ? 0 : 1;
}

static int set_mask(char **argv)
{
    int mask = 0;
    if (!argv[1]) {
        mask = syscall(SYS_umask, 0);
        print("%04o\n", mask);
    } else
        for (const char *p = argv[1]; *p >= '0' && *p <= '7'; p++) mask = mask << 3 | (*p - '0');
    syscall(SYS_umask, mask);
    return 0;
}

static int shift(char **argv)
{
    (void)argv;
    if (arguments.count < 2) return 1;
    memmove(arguments.at + 1, arguments.at + 2, (arguments.count - 1) * sizeof *arguments.at);
    arguments.count--;
    return 0;
}

static int nothing(char **argv) { (void)argv; return 0; }
static int to_front(char **argv) { return builtin_resume(argv, true); }
static int to_back(char **argv) { return builtin_resume(argv, false); }

static const struct { const char *name; int (*run)(char **argv); } builtins[] = {
    { ".", source }, { ":", nothing }, { "bg", to_back }, { "cd", change_directory }, { "exec", execute }, { "exit", leave },
    { "export", export }, { "fg", to_front }, { "jobs", builtin_jobs }, { "read", read_variable }, { "set", set },
    { "shift", shift }, { "umask", set_mask }, { "unset", unset }, { "wait", wait_all },
};

bool is_builtin(const char *name)
{
    for (int i = 0; i < count_of(builtins); i++)
        if (strcmp(builtins[i].name, name) == 0) return true;
    return false;
}

bool run_builtin(char **argv, int *status)
{
    for (int i = 0; i < count_of(builtins); i++) {
        if (strcmp(builtins[i].name, argv[0]) != 0) continue;
        *status = builtins[i].run(argv);
        return true;
    }
    return false;
}
