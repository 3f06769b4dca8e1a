/* Shared memory: lifetime over fork, exec and exit, permissions, errors, and that processes see one memory. */
#include "conformance.h"
#include <sys/ipc.h>
#include <sys/shm.h>

static int attached(int id)
{
    struct shmid_ds ds;
    return shmctl(id, IPC_STAT, &ds) < 0 ? -errno : (int)ds.shm_nattch;
}

static int listed(int id)
{
    char line[256];
    int found = 0, key, each;
    unsigned mode, size, attach;
    FILE *f = fopen("/proc/sysvipc/shm", "r");
    if (!f) return -1;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%d %d %o %u %*u %*u %u", &key, &each, &mode, &size, &attach) == 5 && each == id) {
            printf("listed: key %s mode %o size %u attached %u\n", key ? "set" : "private", mode, size, attach);
            found = 1;
        }
    fclose(f);
    return found;
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        /* Begun by exec: what was attached is gone. */
        printf("after exec: attached %d\n", attached(atoi(argv[2])));
        return 0;
    }
    key_t key = 0x51a40000 + getpid();
    int id = shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640);
    TRY(id);
    TRY(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640));
    SHOW(shmget(key, 10000, 0) == id);
    TRY(shmget(key, 20000, 0));
    TRY(shmget(key + 1, 100, 0));
    TRY(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
    int *a = shmat(id, 0, 0);
    int *b = shmat(id, 0, 0);
    SHOW(a != (void *)-1 && b != (void *)-1 && a != b);
    SHOW(attached(id));
    a[0] = 7;
    b[2000] = 9;
    SHOW(b[0]);
    SHOW(a[2000]);
    SHOW(a[1234]);
    IN_CHILD("writer", { a[1] = 42; printf("in the child: attached %d\n", attached(id)); });
    SHOW(b[1]);
    SHOW(attached(id));
    IN_CHILD("exec", {
        char text[20];
        snprintf(text, sizeof text, "%d", id);
        execl("/proc/self/exe", argv[0], "exec", text, (char *)0);
    });
    SHOW(listed(id));
    TRY(shmdt(b));
    TRY(shmdt(b));
    TRY(shmdt((char *)a + 1));
    SHOW(attached(id));

    /* Where it goes, and what is refused. */
    char *room = mmap(0, 0x10000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(shmat(id, room, 0) == (void *)-1 ? -1 : 0);
    TRY(shmat(id, room + 5, SHM_REMAP) == (void *)-1 ? -1 : 0);
    TRY(shmat(id, 0, SHM_REMAP) == (void *)-1 ? -1 : 0);
    SHOW(shmat(id, room + 4096 + 5, SHM_REMAP | SHM_RND) == room + 4096);
    SHOW(*(int *)(room + 4096));
    munmap(room + 8192, 4096);
    SHOW(attached(id));
    TRY(shmdt(room + 4096));
    SHOW(attached(id));
    TRY(shmat(12345678, 0, 0) == (void *)-1 ? -1 : 0);
    const int *ro = shmat(id, 0, SHM_RDONLY);
    SHOW(ro[0]);
    TRY(mprotect((void *)ro, 4096, PROT_READ | PROT_WRITE));
    IN_CHILD("write to a read-only one", *(volatile int *)ro = 1);
    TRY(shmdt(ro));

    /* Another user. */
    struct shmid_ds ds;
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        TRY(shmat(id, 0, SHM_RDONLY) == (void *)-1 ? -1 : 0);
        TRY(shmctl(id, IPC_STAT, &ds));
        TRY(shmctl(id, IPC_RMID, 0));
        TRY(shmget(key, 100, 0));
        TRY(shmget(key, 100, 0400));
    });
    TRY(shmctl(id, IPC_STAT, &ds));
    SHOW(ds.shm_segsz);
    SHOW(ds.shm_perm.mode);
    SHOW(ds.shm_cpid == getpid());
    SHOW(ds.shm_lpid > 0);
    SHOW(ds.shm_atime > 0 && ds.shm_dtime > 0 && ds.shm_ctime > 0);
    ds.shm_perm.mode = 0777604;
    ds.shm_perm.uid = 1000;
    TRY(shmctl(id, IPC_SET, &ds));
    TRY(shmctl(id, IPC_STAT, &ds));
    SHOW(ds.shm_perm.mode);
    SHOW(ds.shm_perm.uid);
    SHOW(ds.shm_perm.cuid == geteuid());
    IN_CHILD("owner now", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        SHOW(*(int *)shmat(id, 0, 0));
    });
    /* Past the library, which would read the structure itself. */
    TRY(syscall(117, 24, id, IPC_STAT | 0x100, 0, 8));
    TRY(shmctl(id, 99, &ds));
    TRY(shmctl(-1, IPC_STAT, &ds));

    /* Removed while attached: goes with the last region. */
    TRY(shmctl(id, IPC_RMID, 0));
    TRY(shmget(key, 100, 0));
    SHOW(listed(id));
    SHOW(attached(id));
    IN_CHILD("late", SHOW(((int *)shmat(id, 0, 0))[1]));
    SHOW(a[0]);
    TRY(shmdt(a));
    SHOW(attached(id));
    TRY(shmctl(id, IPC_RMID, 0));

    /* The calls that are not multiplexed. */
    id = syscall(395, key, 4096, IPC_CREAT | 0600);
    TRY(id);
    unsigned va = syscall(397, id, 0, 0);
    SHOW(va % 4096);
    *(int *)va = 77;
    SHOW(attached(id));
    SHOW(syscall(396, id, IPC_STAT, &ds));
    TRY(syscall(396, id, IPC_STAT | 0x100, &ds));
    SHOW(ds.shm_segsz);
    SHOW(syscall(398, va));
    SHOW(syscall(396, id, IPC_RMID, 0));
    SHOW(attached(id));
    /* A process that ends lets go. */
    id = shmget(IPC_PRIVATE, 4096, 0600);
    IN_CHILD("killed", { shmat(id, 0, 0); shmctl(id, IPC_RMID, 0); SHOW(attached(id)); raise(SIGKILL); });
    SHOW(attached(id));
    return 0;
}
