/* Semaphores: atomic sets of operations, waiting, undo, timeouts, removal, permissions. */
#include "conformance.h"
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

static int op(int id, int num, int by, int flags)
{
    struct sembuf b = {num, by, flags};
    return semop(id, &b, 1);
}

static int value(int id, int num) { return semctl(id, num, GETVAL); }

static void on_alarm(int signal) { (void)signal; }

int main(void)
{
    key_t key = 0x5e400000 + getpid();
    unsigned short all[4] = {1, 2, 3, 0};
    int id = semget(key, 4, IPC_CREAT | IPC_EXCL | 0600);
    TRY(id);
    TRY(semget(key, 4, IPC_CREAT | IPC_EXCL | 0600));
    SHOW(semget(key, 0, 0) == id);
    TRY(semget(key, 5, 0));
    TRY(semget(IPC_PRIVATE, 0, 0600));
    TRY(semget(IPC_PRIVATE, 100000, 0600));
    TRY(semget(IPC_PRIVATE, -1, 0600));
    SHOW(semctl(id, 0, SETALL, (union semun){.array = all}));
    SHOW(value(id, 2));
    SHOW(semctl(id, 3, SETVAL, (union semun){.val = 5}));
    SHOW(semctl(id, 3, SETVAL, (union semun){.val = 40000}));
    SHOW(semctl(id, 4, SETVAL, (union semun){.val = 1}));
    SHOW(semctl(id, 0, GETALL, (union semun){.array = all}));
    printf("all: %d %d %d %d\n", all[0], all[1], all[2], all[3]);

    /* All or nothing. */
    struct sembuf two[2] = {{0, -1, IPC_NOWAIT}, {1, -3, IPC_NOWAIT}};
    TRY(semop(id, two, 2));
    SHOW(value(id, 0));
    two[1].sem_op = -2;
    TRY(semop(id, two, 2));
    SHOW(value(id, 0) * 10 + value(id, 1));
    TRY(op(id, 2, 0, IPC_NOWAIT));
    TRY(op(id, 0, 0, IPC_NOWAIT));
    TRY(op(id, 9, 1, 0));
    TRY(op(id, 2, 32767, 0));
    TRY(semop(id, two, 0));
    TRY(semop(id, two, 501));
    TRY(semop(id, (void *)8, 1));
    TRY(semop(99999, two, 1));
    SHOW(semctl(id, 2, GETPID) == getpid());

    /* One waits for another. */
    int pipes[2];
    pipe(pipes);
    pid_t waiter = fork();
    if (waiter == 0) {
        int rc = op(id, 0, -2, 0);
        write(pipes[1], &rc, sizeof rc);
        _exit(0);
    }
    while (semctl(id, 0, GETNCNT) != 1) nap(1);
    SHOW(semctl(id, 0, GETZCNT));
    TRY(op(id, 0, 1, 0));
    SHOW(value(id, 0));
    TRY(op(id, 0, 1, 0));
    int rc = 99;
    read(pipes[0], &rc, sizeof rc);
    SHOW(rc);
    end_of("waiter", waiter);
    SHOW(value(id, 0));

    /* Waiting for zero. */
    semctl(id, 1, SETVAL, (union semun){.val = 1});
    waiter = fork();
    if (waiter == 0) _exit(op(id, 1, 0, 0) ? 1 : 0);
    while (semctl(id, 1, GETZCNT) != 1) nap(1);
    TRY(op(id, 1, -1, 0));
    end_of("zero", waiter);

    /* Undo. */
    semctl(id, 2, SETVAL, (union semun){.val = 10});
    IN_CHILD("undo", { op(id, 2, -4, SEM_UNDO); op(id, 2, 1, 0); SHOW(value(id, 2)); });
    SHOW(value(id, 2));
    IN_CHILD("undo, set between", {
        op(id, 2, -4, SEM_UNDO);
        semctl(id, 2, SETVAL, (union semun){.val = 3});
    });
    SHOW(value(id, 2));
    IN_CHILD("undo below zero", { op(id, 2, 5, SEM_UNDO); op(id, 2, -6, 0); });
    SHOW(value(id, 2));
    IN_CHILD("undo in a fork", { op(id, 2, 1, SEM_UNDO); IN_CHILD("inner", _exit(0)); SHOW(value(id, 2)); });
    SHOW(value(id, 2));
    IN_CHILD("undo range", {
        semctl(id, 3, SETVAL, (union semun){.val = 32767});
        TRY(op(id, 3, -32767, SEM_UNDO));
        TRY(op(id, 3, 32767, 0));
        TRY(op(id, 3, -1, SEM_UNDO));
    });
    SHOW(value(id, 3));

    /* Time. */
    struct timespec t = {0, 20000000};
    struct sembuf wait = {0, -1, 0};
    TRY(semtimedop(id, &wait, 1, &t));
    t.tv_nsec = -1;
    TRY(semtimedop(id, &wait, 1, &t));
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, 0);
    alarm(1);
    TRY(op(id, 0, -1, 0));
    long long t64[2] = {0, 1000000};
    TRY(syscall(420, id, &wait, 1, t64));

    /* Other users, settings. */
    struct semid_ds ds;
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        TRY(value(id, 0));
        TRY(op(id, 0, 1, 0));
        TRY(op(id, 0, 0, 0));
        TRY(semctl(id, 0, IPC_RMID));
        TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    });
    TRY(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
    SHOW(ds.sem_nsems);
    SHOW(ds.sem_perm.mode);
    SHOW(ds.sem_otime > 0 && ds.sem_ctime > 0);
    ds.sem_perm.mode = 0644;
    TRY(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
    IN_CHILD("user 1000 again", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        TRY(value(id, 0));
        TRY(op(id, 0, 0, 0));
        TRY(op(id, 0, 1, 0));
    });
    TRY(semctl(id, 0, 77));

    /* Removed under a waiter. */
    waiter = fork();
    if (waiter == 0) {
        _exit(op(id, 0, -100, 0) < 0 ? errno : 0);
    }
    while (semctl(id, 0, GETNCNT) != 1) nap(1);
    TRY(semctl(id, 0, IPC_RMID));
    end_of("removed", waiter);
    TRY(op(id, 0, 1, 0));
    id = syscall(393, IPC_PRIVATE, 2, 0600);
    TRY(id);
    SHOW(syscall(394, id, 1, SETVAL, 6));
    SHOW(syscall(394, id, 1, GETVAL, 0));
    SHOW(syscall(394, id, 0, IPC_RMID, 0));
    return 0;
}
