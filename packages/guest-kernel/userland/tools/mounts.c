#include "../lib.h"

int mount_main(int argc, char **argv)
{
    const char *type = "ext2";
    u32 flags = 0;
    if (argc < 2) {
        char *table = read_file("/proc/mounts");
        if (!table) return failed("/proc/mounts", -ENOENT);
        put(table);
        return 0;
    }
    for (argv++; *argv && argv[0][0] == '-' && argv[1]; argv++) {
        if (strcmp(*argv, "-t") == 0) type = *++argv;
        else if (strcmp(*argv, "-r") == 0) flags = 1;
        else break;
    }
    if (!argv[0] || !argv[1]) return complain("usage: mount [-r] [-t TYPE] DEVICE DIRECTORY"), 2;
    int result = syscall(SYS_mount, argv[0], argv[1], type, flags, "");
    return result < 0 ? failed(argv[1], result) : 0;
}

int umount_main(int argc, char **argv)
{
    if (argc < 2) return complain("usage: umount DIRECTORY"), 2;
    int result = syscall(SYS_umount2, argv[1], 0);
    return result < 0 ? failed(argv[1], result) : 0;
}

static void space(const char *device, const char *directory)
{
    struct statfs s;
    if (syscall(SYS_statfs64, directory, sizeof s, &s) < 0 || !s.blocks) return;
    u32 kib = s.bsize / 1024;
    if (!kib) kib = 1;
    print("%-14s %10b %10b %10b  %s\n", device, s.blocks * kib, (s.blocks - s.bfree) * kib, s.bavail * kib, directory);
}

int df_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    char *table = read_file("/proc/mounts");
    if (!table) return failed("/proc/mounts", -ENOENT);
    print("%-14s %10s %10s %10s  %s\n", "device", "KiB", "used", "free", "on");
    for (char *line = table; *line;) {
        char *end = upto(line, '\n'), *directory = upto(line, ' ');
        bool last = !*end;
        *end = 0;
        if (*directory) {
            *directory++ = 0;
            *upto(directory, ' ') = 0;
            space(line, directory);
        }
        line = last ? end : end + 1;
    }
    return 0;
}

/* dd if=FILE of=FILE bs=N[kM] count=N */
int dd_main(int argc, char **argv)
{
    const char *from = "/dev/stdin", *to = "/dev/stdout";
    u32 size = 512, count = ~0u;
    for (int i = 1; i < argc; i++) {
        char *value = upto(argv[i], '=');
        if (!*value) return complain("usage: dd if=FILE of=FILE bs=N count=N"), 2;
        value++;
        u32 n = 0;
        const char *p = value;
        for (; *p >= '0' && *p <= '9'; p++) n = n * 10 + (*p - '0');
        n *= *p == 'k' || *p == 'K' ? 1024 : *p == 'M' ? 1024 * 1024 : 1;
        if (starts_with(argv[i], "if=")) from = value;
        else if (starts_with(argv[i], "of=")) to = value;
        else if (starts_with(argv[i], "bs=")) size = n;
        else if (starts_with(argv[i], "count=")) count = n;
    }
    int in = open(from, O_RDONLY, 0), out = in < 0 ? in : open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out < 0) return failed(in < 0 ? from : to, out);
    char *buffer = allocate(size);
    u64 bytes = 0;
    for (int n; count > 0 && (n = read(in, buffer, size)) > 0; count--) {
        int done = write(out, buffer, n);
        if (done < 0) return failed(to, done);
        bytes += done;
    }
    complain("%b bytes", bytes);
    return 0;
}
