#include "../lib.h"

static int copy_stream(int from, int to)
{
    static char buffer[65536];
    int n;
    while ((n = read(from, buffer, sizeof buffer)) > 0) {
        for (int done = 0, m; done < n; done += m)
            if ((m = write(to, buffer + done, n - done)) <= 0) return m;
    }
    return n;
}

static int cat(int fd, const char *name)
{
    flush();
    int result = copy_stream(fd, 1);
    return result < 0 ? failed(name ? name : "standard input", result) : 0;
}

int cat_main(int argc, char **argv)
{
    (void)argc;
    return for_files(argv + 1, cat);
}

static bool is_directory(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && (s.mode & S_IFMT) == S_IFDIR;
}

static int copy(const char *from, const char *to, bool deep);

static int copy_tree(const char *from, const char *to, u32 mode)
{
    struct words names = { 0 };
    int status = 0, result = syscall(SYS_mkdir, to, (mode & 07777) | 0700);
    if (result < 0 && result != -EEXIST) return failed(to, result);
    result = list_directory(from, &names);
    if (result < 0) return failed(from, result);
    for (int i = 0; i < names.count; i++)
        if (copy(join_path(from, names.at[i]), join_path(to, names.at[i]), true)) status = 1;
    return status;
}

static int copy(const char *from, const char *to, bool deep)
{
    struct stat s;
    int result = deep ? lstat(from, &s) : stat(from, &s);
    if (result < 0) return failed(from, result);
    if ((s.mode & S_IFMT) == S_IFLNK) {
        char target[1024];
        int n = syscall(SYS_readlink, from, target, sizeof target - 1);
        if (n < 0) return failed(from, n);
        target[n] = 0;
        result = syscall(SYS_symlink, target, to);
        return result < 0 ? failed(to, result) : 0;
    }
    if ((s.mode & S_IFMT) == S_IFDIR) {
        if (deep) return copy_tree(from, to, s.mode);
        complain("%s is a directory (-r copies it)", from);
        return 1;
    }
    int in = open(from, O_RDONLY, 0), out = in < 0 ? in : open(to, O_WRONLY | O_CREAT | O_TRUNC, s.mode & 07777);
    if (out >= 0) result = copy_stream(in, out);
    if (in >= 0) close(in);
    if (out < 0) return failed(in < 0 ? from : to, out);
    close(out);
    return result < 0 ? failed(to, result) : 0;
}

static int remove_tree(const char *path, bool deep, bool quiet)
{
    struct stat s;
    int result = lstat(path, &s), status = 0;
    if (result < 0) return quiet && result == -ENOENT ? 0 : failed(path, result);
    bool directory = (s.mode & S_IFMT) == S_IFDIR;
    if (directory && deep) {
        struct words names = { 0 };
        list_directory(path, &names);
        for (int i = 0; i < names.count; i++)
            if (remove_tree(join_path(path, names.at[i]), true, quiet)) status = 1;
    }
    result = syscall(directory && deep ? SYS_rmdir : SYS_unlink, path);
    return result < 0 ? failed(path, result) : status;
}

static int move(const char *from, const char *to)
{
    int result = syscall(SYS_rename, from, to);
    if (result == 0) return 0;
    if (result != -18) return failed(from, result);
    return copy(from, to, true) || remove_tree(from, true, false);
}

static int usage(const char *text)
{
    complain("usage: %s", text);
    return 2;
}

/* Calls `one` for each pair of source and destination. */
static int to_last(char **argv, int (*one)(const char *from, const char *to), const char *text)
{
    int n = 0, status = 0;
    while (argv[n]) n++;
    if (n < 2) return usage(text);
    const char *to = argv[n - 1];
    bool into = is_directory(to);
    if (n > 2 && !into) return failed(to, -ENOTDIR);
    for (int i = 0; i < n - 1; i++)
        if (one(argv[i], into ? join_path(to, base_name(argv[i])) : to)) status = 1;
    return status;
}

static int copy_shallow(const char *from, const char *to) { return copy(from, to, false); }
static int copy_deep(const char *from, const char *to) { return copy(from, to, true); }

int cp_main(int argc, char **argv)
{
    (void)argc;
    const char *o = options(&argv, "raR");
    if (!o) return 2;
    return to_last(argv, *o ? copy_deep : copy_shallow, "cp [-r] FROM... TO");
}

int mv_main(int argc, char **argv)
{
    (void)argc;
    return to_last(argv + 1, move, "mv FROM... TO");
}

int rm_main(int argc, char **argv)
{
    (void)argc;
    int status = 0;
    const char *o = options(&argv, "rRf");
    if (!o) return 2;
    for (; *argv; argv++)
        if (remove_tree(*argv, upto(o, 'r')[0] || upto(o, 'R')[0], upto(o, 'f')[0])) status = 1;
    return status;
}

static int make(char *path, bool parents)
{
    for (char *p = path + 1; parents && *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        syscall(SYS_mkdir, path, 0777);
        *p = '/';
    }
    int result = syscall(SYS_mkdir, path, 0777);
    if (parents && result == -EEXIST && is_directory(path)) return 0;
    return result < 0 ? failed(path, result) : 0;
}

int mkdir_main(int argc, char **argv)
{
    (void)argc;
    int status = 0;
    const char *o = options(&argv, "p");
    if (!o) return 2;
    for (; *argv; argv++)
        if (make(*argv, *o)) status = 1;
    return status;
}

int rmdir_main(int argc, char **argv)
{
    (void)argc;
    int status = 0, result;
    for (argv++; *argv; argv++)
        if ((result = syscall(SYS_rmdir, *argv)) < 0) status = failed(*argv, result);
    return status;
}

int ln_main(int argc, char **argv)
{
    (void)argc;
    const char *o = options(&argv, "s");
    if (!o || !argv[0] || !argv[1]) return usage("ln [-s] TARGET NAME");
    const char *name = is_directory(argv[1]) ? join_path(argv[1], base_name(argv[0])) : argv[1];
    int result = syscall(*o ? SYS_symlink : SYS_link, argv[0], name);
    return result < 0 ? failed(name, result) : 0;
}

int touch_main(int argc, char **argv)
{
    (void)argc;
    int status = 0;
    for (argv++; *argv; argv++) {
        int fd = open(*argv, O_WRONLY | O_CREAT, 0666);
        if (fd < 0) status = failed(*argv, fd);
        else close(fd), syscall(SYS_utimensat, -100, *argv, NULL, 0);
    }
    return status;
}
