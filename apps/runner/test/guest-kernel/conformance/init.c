/* The first process of the guest: runs every program of /t with its output between marks, then powers off. */
#include "conformance.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/reboot.h>

int main(void)
{
    struct dirent **names;
    mkdir("/proc", 0755);
    mkdir("/tmp", 01777);
    mount("proc", "/proc", "proc", 0, 0);
    int count = scandir("/t", &names, 0, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (name[0] == '.') continue;
        char path[300];
        int status;
        snprintf(path, sizeof path, "/t/%s", name);
        printf("@@ %s\n", name);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            chdir("/tmp");
            execl(path, name, (char *)0);
            _exit(127);
        }
        while (waitpid(pid, &status, 0) != pid) continue;
        printf("@status %d\n", status);
        fflush(stdout);
    }
    reboot(RB_POWER_OFF);
    return 1;
}
