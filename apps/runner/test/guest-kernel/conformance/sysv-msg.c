/* Message queues: order by type, waiting, sizes, removal. */
#include "conformance.h"
#include <sys/ipc.h>
#include <sys/msg.h>

struct message {
    long type;
    char text[9000];
};

static struct message m;

static int put(int id, long type, const char *text, int flags)
{
    m.type = type;
    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text), flags);
}

static long get(int id, size_t size, long type, int flags)
{
    memset(&m, 0, sizeof m);
    long rc = msgrcv(id, &m, size, type, flags);
    int error = errno;
    if (rc >= 0) printf("  got %ld \"%.*s\"\n", m.type, (int)rc, m.text);
    errno = error;
    return rc;
}

static void on_alarm(int signal) { (void)signal; }

int main(void)
{
    key_t key = 0x35600000 + getpid();
    int id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    TRY(id);
    TRY(msgget(key, IPC_CREAT | IPC_EXCL));
    SHOW(msgget(key, 0) == id);
    TRY(msgget(key + 1, 0));
    TRY(put(id, 3, "three", 0));
    TRY(put(id, 1, "one", 0));
    TRY(put(id, 2, "two", 0));
    TRY(put(id, 1, "uno", 0));
    TRY(put(id, 0, "none", 0));
    TRY(put(id, -1, "none", 0));
    SHOW(get(id, 100, 1, 0));
    SHOW(get(id, 100, -2, 0));
    SHOW(get(id, 100, 3, MSG_EXCEPT));
    SHOW(get(id, 100, 5, IPC_NOWAIT));
    SHOW(get(id, 2, 0, 0));
    SHOW(get(id, 2, 0, MSG_NOERROR));
    SHOW(get(id, 100, 0, IPC_NOWAIT));
    SHOW(put(id, 1, "", 0));
    SHOW(get(id, 0, 0, 0));
    m.type = 1;
    TRY(msgsnd(id, &m, 8193, 0));
    TRY(msgsnd(id, &m, 8192, IPC_NOWAIT));
    TRY(msgsnd(id, &m, 8192, IPC_NOWAIT));
    TRY(msgsnd(id, &m, 1, IPC_NOWAIT));
    TRY(msgsnd(id, (void *)8, 1, IPC_NOWAIT));
    TRY(msgsnd(77777, &m, 1, 0));
    struct msqid_ds ds;
    TRY(msgctl(id, IPC_STAT, &ds));
    SHOW(ds.msg_qnum);
    SHOW(ds.msg_cbytes);
    SHOW(ds.msg_qbytes);
    SHOW(ds.msg_lspid == getpid());
    SHOW(ds.msg_perm.mode);

    /* A sender waits for room, a receiver for a message. */
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        _exit(put(id, 9, "waited", 0) == 0 ? 3 : 4);
    }
    nap(30);
    SHOW(msgrcv(id, &m, sizeof m.text, 1, 0));
    end_of("sender", child);
    SHOW(msgrcv(id, &m, sizeof m.text, 1, 0));
    SHOW(get(id, 100, 0, 0));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        int ok = get(id, 100, 4, 0) == 4;
        fflush(stdout);
        _exit(ok ? 3 : 4);
    }
    nap(30);
    TRY(put(id, 5, "not this", 0));
    put(id, 4, "this", 0);
    end_of("receiver", child);
    SHOW(get(id, 100, 0, IPC_NOWAIT));
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, 0);
    alarm(1);
    SHOW(get(id, 100, 0, 0));
    ds.msg_qbytes = 10;
    ds.msg_perm.mode = 0666;
    TRY(msgctl(id, IPC_SET, &ds));
    TRY(put(id, 1, "0123456789a", IPC_NOWAIT));
    TRY(put(id, 1, "0123456789", IPC_NOWAIT));
    IN_CHILD("user 1000", {
        if (setgid(1000) || setuid(1000)) _exit(9);
        SHOW(get(id, 100, 0, 0));
        TRY(msgctl(id, IPC_RMID, 0));
        TRY(msgctl(id, IPC_STAT, &ds));
    });
    fflush(stdout);
    child = fork();
    if (child == 0) {
        _exit(get(id, 100, 0, 0) < 0 ? errno : 1);
    }
    nap(30);
    TRY(msgctl(id, IPC_RMID, 0));
    end_of("removed", child);
    TRY(put(id, 1, "x", 0));
    id = syscall(399, IPC_PRIVATE, 0600);
    TRY(id);
    m.type = 4;
    strcpy(m.text, "raw");
    SHOW(syscall(400, id, &m, 3, 0));
    SHOW(syscall(401, id, &m, 100, 0, 0));
    SHOW(syscall(402, id, IPC_RMID, 0));
    return 0;
}
