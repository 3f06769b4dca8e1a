#include "../lib.h"

static int lines_wanted = 10;

/* -n N or -N before the files. */
static char **count_option(char **argv)
{
    argv++;
    if (!*argv || argv[0][0] != '-' || !argv[0][1]) return argv;
    if (strcmp(argv[0], "-n") == 0 && argv[1]) {
        number(argv[1], &lines_wanted);
        return argv + 2;
    }
    number(argv[0] + 1 + (argv[0][1] == 'n'), &lines_wanted);
    return argv + 1;
}

static int head(int fd, const char *name)
{
    (void)name;
    struct reader r = { .fd = fd };
    char *line;
    for (int n = lines_wanted; n > 0 && read_line(&r, &line); n--) print("%s\n", line);
    return 0;
}

int head_main(int argc, char **argv)
{
    (void)argc;
    return for_files(count_option(argv), head);
}

static int tail(int fd, const char *name)
{
    (void)name;
    struct reader r = { .fd = fd };
    struct words lines = { 0 };
    char *line;
    while (read_line(&r, &line)) add_word(&lines, line);
    for (int i = lines.count > lines_wanted ? lines.count - lines_wanted : 0; i < lines.count; i++) print("%s\n", lines.at[i]);
    return 0;
}

int tail_main(int argc, char **argv)
{
    (void)argc;
    return for_files(count_option(argv), tail);
}

static const char *wc_columns = "";

static int wc(int fd, const char *name)
{
    static char buffer[16384];
    u64 counts[3] = { 0, 0, 0 };
    bool inside = false;
    for (int n; (n = read(fd, buffer, sizeof buffer)) > 0; counts[2] += n) {
        for (int i = 0; i < n; i++) {
            bool blank = buffer[i] == ' ' || (buffer[i] >= '\t' && buffer[i] <= '\r');
            if (buffer[i] == '\n') counts[0]++;
            if (!blank && !inside) counts[1]++;
            inside = !blank;
        }
    }
    for (int i = 0; i < 3; i++)
        if (!*wc_columns || *upto(wc_columns, "lwc"[i])) print(*wc_columns && !wc_columns[1] ? "%b" : "%8b", counts[i]);
    print(name ? " %s\n" : "\n", name);
    return 0;
}

int wc_main(int argc, char **argv)
{
    (void)argc;
    wc_columns = options(&argv, "lwc");
    return wc_columns ? for_files(argv, wc) : 2;
}

static struct { const char *pattern, *options; bool names; } search;

/* Case-insensitive if wanted; ^ and $ bind, everything else between them is a shell pattern. */
static bool found_in(const char *line)
{
    u32 n = strlen(search.pattern);
    bool start = n > 0 && search.pattern[0] == '^', end = n > 1 && search.pattern[n - 1] == '$';
    char *pattern = allocate(n + 3), *p = pattern;
    if (!start) *p++ = '*';
    memcpy(p, search.pattern + start, n - start - end);
    p += n - start - end;
    if (!end) *p++ = '*';
    *p = 0;
    char *text = duplicate(line);
    for (int pass = 0; *upto(search.options, 'i') && pass < 2; pass++)
        for (char *c = pass ? pattern : text; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c += 32;
    return matches(pattern, text);
}

static int grep(int fd, const char *name)
{
    struct reader r = { .fd = fd };
    char *line;
    int status = 1, at = 0;
    for (u32 start = mark(); at++, read_line(&r, &line); release(start)) {
        if (found_in(line) == (*upto(search.options, 'v') != 0)) continue;
        status = 0;
        if (*upto(search.options, 'q')) return 0;
        if (search.names && name) print("%s:", name);
        if (*upto(search.options, 'n')) print("%d:", at);
        print("%s\n", line);
    }
    return status;
}

int grep_main(int argc, char **argv)
{
    (void)argc;
    search.options = options(&argv, "invq");
    if (!search.options || !*argv) {
        complain("usage: grep [-invq] PATTERN [FILE...]   (* ? [] are wildcards, ^ and $ bind)");
        return 2;
    }
    search.pattern = *argv++;
    search.names = argv[0] && argv[1];
    int status = 1, result;
    if (!*argv) return grep(0, NULL);
    for (; *argv; argv++) {
        char *one[] = { *argv, NULL };
        if ((result = for_files(one, grep)) == 0) status = 0;
    }
    return status;
}

static struct words sorted;

static int collect(int fd, const char *name)
{
    (void)name;
    struct reader r = { .fd = fd };
    char *line;
    while (read_line(&r, &line)) add_word(&sorted, line);
    return 0;
}

int sort_main(int argc, char **argv)
{
    (void)argc;
    const char *o = options(&argv, "ru");
    if (!o) return 2;
    int status = for_files(argv, collect);
    sort_words(&sorted, 0);
    for (int i = 0; i < sorted.count; i++) {
        int at = *upto(o, 'r') ? sorted.count - 1 - i : i;
        bool again = *upto(o, 'u') && at > 0 && strcmp(sorted.at[at], sorted.at[at - 1]) == 0;
        if (!again) print("%s\n", sorted.at[at]);
    }
    return status;
}

int tee_main(int argc, char **argv)
{
    static char buffer[8192];
    int fds[16], count = 0, n;
    for (int i = 1; i < argc && count < 16; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (fd < 0) failed(argv[i], fd);
        else fds[count++] = fd;
    }
    while ((n = read(0, buffer, sizeof buffer)) > 0) {
        put_bytes(buffer, n);
        flush();
        for (int i = 0; i < count; i++) write(fds[i], buffer, n);
    }
    return 0;
}

static int hexdump(int fd, const char *name)
{
    u8 row[16];
    (void)name;
    for (u32 at = 0, have;; at += have) {
        for (have = 0; have < 16;) {
            int n = read(fd, row + have, 16 - have);
            if (n <= 0) break;
            have += n;
        }
        if (!have) break;
        print("%08x ", at);
        for (u32 i = 0; i < 16; i++) print(i < have ? " %02x" : "   ", row[i]);
        put("  |");
        for (u32 i = 0; i < have; i++) print("%c", row[i] >= ' ' && row[i] < 127 ? row[i] : '.');
        put("|\n");
    }
    return 0;
}

int hexdump_main(int argc, char **argv)
{
    (void)argc;
    return for_files(argv + 1, hexdump);
}
