#include "../lib.h"

static const char types[16] = "?pc?d?b?-?l?s???";

static void print_mode(u32 mode)
{
    char text[11] = "?rwxrwxrwx";
    text[0] = types[mode >> 12 & 15];
    for (int i = 0; i < 9; i++)
        if (!(mode >> (8 - i) & 1)) text[1 + i] = '-';
    if (mode & 04000) text[3] = 's';
    if (mode & 01000) text[9] = 't';
    put(text);
}

/* The date as year-month-day hour:minute. Source of the calendar: H. Hinnant, "chrono-compatible low-level date algorithms". */
void print_time(u32 seconds)
{
    u32 days = seconds / 86400, rest = seconds % 86400;
    u32 z = days + 719468, era = z / 146097, day = z - era * 146097;
    u32 year = (day - day / 1460 + day / 36524 - day / 146096) / 365, of_year = day - (365 * year + year / 4 - year / 100);
    u32 m = (5 * of_year + 2) / 153;
    print("%u-%02u-%02u %02u:%02u", year + era * 400 + (m >= 10), m < 10 ? m + 3 : m - 9, of_year - (153 * m + 2) / 5 + 1, rest / 3600, rest / 60 % 60);
}

static void print_long(const char *path, const char *name, const struct stat *s)
{
    print_mode(s->mode);
    print(" %3u %4u %4u ", s->nlink, s->uid, s->gid);
    u32 type = s->mode & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK) print("%4u,%4u ", (u32)(s->rdev >> 8) & 0xfff, (u32)s->rdev & 0xff);
    else print("%9b ", s->size);
    print_time(s->mtime);
    print(" %s", name);
    if (type == S_IFLNK) {
        char target[1024];
        int n = syscall(SYS_readlink, path, target, sizeof target - 1);
        target[n < 0 ? 0 : n] = 0;
        print(" -> %s", target);
    }
    put("\n");
}

static int width_of_terminal(void)
{
    struct winsize w = { 0 };
    if (ioctl(1, TIOCGWINSZ, &w) < 0) return 0;
    return w.columns ? w.columns : 80;
}

static void print_columns(const struct words *names)
{
    int width = width_of_terminal(), longest = 0;
    for (int i = 0; i < names->count; i++) {
        int n = strlen(names->at[i]);
        if (n > longest) longest = n;
    }
    int columns = width / (longest + 2);
    if (columns < 1) columns = 1;
    int rows = (names->count + columns - 1) / columns;
    for (int row = 0; row < rows; row++) {
        for (int i = row; i < names->count; i += rows) {
            const char *name = names->at[i];
            put(name);
            for (int n = strlen(name); i + rows < names->count && n < longest + 2; n++) put(" ");
        }
        put("\n");
    }
}

static int list(const char *directory, const char *o)
{
    struct words names = { 0 }, shown = { 0 };
    if (*upto(o, 'a')) add_word(&shown, "."), add_word(&shown, "..");
    int result = list_directory(directory, &names);
    if (result < 0) return failed(directory, result);
    for (int i = 0; i < names.count; i++)
        if (names.at[i][0] != '.' || *upto(o, 'a') || *upto(o, 'A')) add_word(&shown, names.at[i]);
    if (!*upto(o, 'l')) {
        print_columns(&shown);
        return 0;
    }
    for (int i = 0; i < shown.count; i++) {
        struct stat s;
        char *path = join_path(directory, shown.at[i]);
        if (lstat(path, &s) == 0) print_long(path, shown.at[i], &s);
    }
    return 0;
}

int ls_main(int argc, char **argv)
{
    (void)argc;
    int status = 0;
    const char *o = options(&argv, "laAd1");
    if (!o) return 2;
    bool several = argv[0] && argv[1];
    if (!*argv) return list(".", o);
    for (; *argv; argv++) {
        struct stat s;
        int result = lstat(*argv, &s);
        struct stat behind;
        if (result == 0 && !*upto(o, 'l') && stat(*argv, &behind) == 0) s = behind;
        if (result < 0) status = failed(*argv, result);
        else if ((s.mode & S_IFMT) != S_IFDIR || *upto(o, 'd')) {
            if (*upto(o, 'l')) print_long(*argv, *argv, &s);
            else print("%s\n", *argv);
        } else {
            if (several) print("%s:\n", *argv);
            if (list(*argv, o)) status = 1;
        }
    }
    return status;
}

static int walk(const char *path, const char *pattern, u64 *blocks, bool names)
{
    struct stat s;
    int result = lstat(path, &s);
    if (result < 0) return failed(path, result);
    if (names && (!pattern || matches(pattern, base_name(path)))) print("%s\n", path);
    u64 own = s.blocks;
    if ((s.mode & S_IFMT) == S_IFDIR) {
        struct words list = { 0 };
        list_directory(path, &list);
        for (int i = 0; i < list.count; i++) walk(join_path(path, list.at[i]), pattern, &own, names);
        if (!names) print("%b\t%s\n", own >> 1, path);
    }
    *blocks += own;
    return 0;
}

int find_main(int argc, char **argv)
{
    u64 blocks = 0;
    const char *pattern = NULL;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-name") == 0) pattern = argv[i + 1];
    return walk(argc > 1 && argv[1][0] != '-' ? argv[1] : ".", pattern, &blocks, true);
}

int du_main(int argc, char **argv)
{
    u64 blocks = 0;
    return walk(argc > 1 ? argv[1] : ".", NULL, &blocks, false);
}
