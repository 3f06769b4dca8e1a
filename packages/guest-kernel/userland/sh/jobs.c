#include "sh.h"

enum { MOST = 32 };
static struct job { int group; bool stopped; char name[64]; } jobs[MOST];

static const int job_signals[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU };

static void terminal_to(int group)
{
    if (interactive) ioctl(0, TIOCSPGRP, &group);
}

void start_jobs(void)
{
    if (!interactive) return;
    for (int i = 0; i < count_of(job_signals); i++) on_signal(job_signals[i], SIG_IGN);
    syscall(SYS_setpgid, 0, 0);
    terminal_to(syscall(SYS_getpid));
}

void enter_group(int group, bool foreground)
{
    if (!interactive) return;
    syscall(SYS_setpgid, 0, group);
    if (foreground) terminal_to(group ? group : syscall(SYS_getpid));
    for (int i = 0; i < count_of(job_signals); i++) on_signal(job_signals[i], SIG_DFL);
}

void remember_job(int group, const char *name, bool stopped)
{
    for (int i = 0; i < MOST; i++) {
        struct job *j = &jobs[i];
        if (j->group && j->group != group) continue;
        bool known = j->group == group;
        j->group = group;
        j->stopped = stopped;
        u32 n = strlen(name);
        if (n >= sizeof j->name) n = sizeof j->name - 1;
        if (!known) memcpy(j->name, name, n), j->name[n] = 0;
        if (interactive) print(stopped ? "\n[%d] stopped  %s\n" : "[%d] %s\n", i + 1, j->name);
        return;
    }
}

static void forget(int group)
{
    for (int i = 0; i < MOST; i++)
        if (jobs[i].group == group) jobs[i].group = 0;
}

static int decode(int status) { return (status & 0x7f) ? 128 + (status & 0x7f) : status >> 8 & 0xff; }

int wait_group(int group, int count, int last, const char *name)
{
    int result = 0, status;
    while (count > 0) {
        int pid = wait4(interactive ? -group : -1, &status, interactive ? WUNTRACED : 0);
        if (pid == -EINTR) continue;
        if (pid < 0) break;
        if ((status & 0xff) == 0x7f) {
            remember_job(group, name, true);
            result = 128 + (status >> 8 & 0xff);
            break;
        }
        if (pid == last) result = decode(status);
        if (pid == last && interactive && result == 128 + SIGINT) put("\n");
        count--;
    }
    terminal_to(syscall(SYS_getpid));
    return result;
}

void report_jobs(void)
{
    int status;
    for (int i = 0; i < MOST; i++) {
        struct job *j = &jobs[i];
        if (!j->group || j->stopped) continue;
        while (wait4(-j->group, &status, WNOHANG) > 0) continue;
        if (kill(-j->group, 0) == 0) continue;
        if (interactive) print("[%d] done  %s\n", i + 1, j->name);
        j->group = 0;
    }
}

int builtin_jobs(char **argv)
{
    (void)argv;
    for (int i = 0; i < MOST; i++)
        if (jobs[i].group) print("[%d] %s  %s\n", i + 1, jobs[i].stopped ? "stopped" : "running", jobs[i].name);
    return 0;
}

int builtin_resume(char **argv, bool foreground)
{
    int wanted = 0;
    const char *text = argv[1];
    if (text && *text == '%') text++;
    if (text && !number(text, &wanted)) wanted = -1;
    struct job *found = NULL;
    for (int i = 0; i < MOST; i++)
        if (jobs[i].group && (wanted == 0 || wanted == i + 1)) found = &jobs[i];
    if (!found) {
        complain("%s: no such job", argv[0]);
        return 1;
    }
    int group = found->group, status = 0;
    char *name = duplicate(found->name);
    found->stopped = false;
    if (foreground) terminal_to(group);
    kill(-group, SIGCONT);
    if (foreground) {
        print("%s\n", name);
        flush();
        forget(group);
        status = wait_group(group, 0x7fffffff, group, name);
    }
    return status;
}
