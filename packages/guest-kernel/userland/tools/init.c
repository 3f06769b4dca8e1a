#include "../lib.h"

static volatile int asked;

static void ask(int signal) { asked = signal; }

static const struct { const char *device, *directory, *type; } mounts[] = {
    { "devtmpfs", "/dev", "devtmpfs" }, { "proc", "/proc", "proc" }, { "sysfs", "/sys", "sysfs" }, { "devpts", "/dev/pts", "devpts" },
    { "tmpfs", "/tmp", "tmpfs" },
};

static void open_console(void)
{
    int fd = open("/dev/hvc0", O_RDWR, 0);
    if (fd < 0) fd = open("/dev/console", O_RDWR, 0);
    for (int i = 0; i < 3 && fd >= 0; i++) syscall(SYS_dup2, fd, i);
    if (fd > 2) close(fd);
}

static int shell(void)
{
    static char *argv[] = { "-sh", NULL };
    static char *env[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", "TERM=xterm", "USER=root", NULL };
    int pid = fork();
    if (pid != 0) return pid;
    syscall(SYS_setsid);
    open_console();
    ioctl(0, TIOCSCTTY, 0);
    on_signal(SIGTERM, SIG_DFL);
    on_signal(SIGUSR2, SIG_DFL);
    syscall(SYS_chdir, "/root");
    int result = syscall(SYS_execve, "/bin/sh", argv, env);
    failed("/bin/sh", result);
    exit(1);
}

static void end(void)
{
    struct timespec moment = { 0, 200000000 };
    int status;
    kill(-1, SIGTERM);
    kill(-1, SIGCONT);
    syscall(SYS_nanosleep, &moment, NULL);
    kill(-1, SIGKILL);
    while (wait4(-1, &status, WNOHANG) > 0) continue;
    syscall(SYS_sync);
    char *table = read_file("/proc/mounts");
    for (int i = 0; table && i < 2; i++) {
        struct words directories = { 0 };
        for (char *line = table; *line; line = *upto(line, '\n') ? upto(line, '\n') + 1 : upto(line, 0)) {
            char *from = upto(line, ' ') + 1, *to = upto(from, ' ');
            char *path = memcpy(allocate(to - from + 1), from, to - from);
            path[to - from] = 0;
            if (path[1]) add_word(&directories, path);
        }
        for (int n = directories.count - 1; n >= 0; n--) syscall(SYS_umount2, directories.at[n], 0);
    }
    syscall(SYS_mount, "", "/", "", 0x21, "");
    syscall(SYS_reboot, 0xfee1dead, 672274793, asked == SIGTERM ? 0x01234567 : 0x4321fedc, NULL);
}

int init_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    int status;
    on_signal(SIGTERM, ask);
    on_signal(SIGUSR2, ask);
    on_signal(SIGINT, ask);
    for (int i = 0; i < count_of(mounts); i++) {
        syscall(SYS_mkdir, mounts[i].directory, 0755);
        syscall(SYS_mount, mounts[i].device, mounts[i].directory, mounts[i].type, 0, "");
    }
    open_console();
    syscall(SYS_mkdir, "/root", 0700);
    char *banner = read_file("/etc/issue");
    if (banner) put(banner);
    flush();
    int pid = shell();
    while (!asked) {
        int ended = wait4(-1, &status, 0);
        if (ended == pid) asked = SIGUSR2;
    }
    end();
    return 0;
}
