/* inotify: what is told of files and directories, in which order; and extended attributes where there are none. */
#include "conformance.h"
#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static int queue;
static unsigned cookies[2];

static void show(const char *what)
{
    char buffer[8192];
    ssize_t count;
    printf("-- %s\n", what);
    while ((count = read(queue, buffer, sizeof buffer)) > 0) {
        for (char *at = buffer; at < buffer + count;) {
            struct inotify_event *event = (void *)at;
            printf("wd %d mask %x %s len %u %s\n", event->wd, event->mask, event->cookie ? "cookie" : "-", event->len,
                   event->len ? event->name : "");
            if (event->cookie) {
                cookies[0] = cookies[1];
                cookies[1] = event->cookie;
            }
            at += sizeof *event + event->len;
        }
    }
    fflush(stdout);
}

int main(void)
{
    char text[100];
    queue = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SHOW(queue >= 0);
    mkdir("watched", 0755);
    mkdir("other", 0755);
    SHOW(inotify_add_watch(queue, "watched", IN_ALL_EVENTS));
    show("nothing");
    int fd = open("watched/file", O_CREAT | O_RDWR, 0644);
    show("created");
    write(fd, "abc", 3);
    write(fd, "def", 3);
    pread(fd, text, 2, 0);
    show("written and read");
    ftruncate(fd, 1);
    fchmod(fd, 0600);
    futimens(fd, NULL);
    show("attributes");
    close(fd);
    show("closed");
    SHOW(inotify_add_watch(queue, "watched/file", IN_ALL_EVENTS));
    close(open("watched/file", O_RDONLY));
    show("opened, twice watched");
    rename("watched/file", "watched/long name that needs more room");
    show("renamed");
    SHOW(cookies[0] != 0 && cookies[0] == cookies[1]);
    link("watched/long name that needs more room", "watched/second");
    show("linked");
    rename("watched/second", "other/second");
    show("moved away");
    rename("other/second", "watched/back");
    show("moved in");
    unlink("watched/back");
    show("unlinked one of two");
    fd = open("watched/long name that needs more room", O_WRONLY | O_TRUNC);
    show("truncated by open");
    unlink("watched/long name that needs more room");
    show("unlinked while open");
    close(fd);
    show("closed for good");
    mkdir("watched/dir", 0755);
    symlink("x", "watched/link");
    mknod("watched/fifo", S_IFIFO | 0600, 0);
    closedir(opendir("watched/dir"));
    show("other kinds");
    SHOW(inotify_add_watch(queue, "watched/dir", IN_DELETE_SELF | IN_CREATE));
    close(open("watched/dir/x", O_CREAT | O_WRONLY, 0600));
    unlink("watched/dir/x");
    rmdir("watched/dir");
    show("directory gone");
    close(open("watched/a", O_CREAT | O_WRONLY, 0600));
    close(open("watched/b", O_CREAT | O_WRONLY, 0600));
    SHOW(inotify_add_watch(queue, "watched/b", IN_ALL_EVENTS));
    show("made two");
    rename("watched/a", "watched/b");
    show("moved over");
    SHOW(inotify_add_watch(queue, "watched", IN_CREATE));
    close(open("watched/c", O_CREAT | O_WRONLY, 0600));
    show("only creations");
    SHOW(inotify_add_watch(queue, "watched", IN_DELETE | IN_MASK_ADD));
    unlink("watched/c");
    show("deletions as well");
    SHOW(inotify_add_watch(queue, "other", IN_CREATE | IN_ONESHOT));
    close(open("other/1", O_CREAT | O_WRONLY, 0600));
    close(open("other/2", O_CREAT | O_WRONLY, 0600));
    show("once");
    SHOW(inotify_rm_watch(queue, 1));
    unlink("watched/b");
    show("no more");
    TRY(inotify_rm_watch(queue, 1));
    TRY(inotify_add_watch(queue, "absent", IN_CREATE));
    TRY(inotify_add_watch(queue, "other/1", IN_CREATE | IN_ONLYDIR));
    TRY(inotify_add_watch(queue, "other", 0));
    TRY(inotify_add_watch(0x7fff, "other", IN_CREATE));
    TRY(inotify_add_watch(0, "other", IN_CREATE));
    TRY(inotify_init1(77));
    SHOW(inotify_add_watch(queue, "other", IN_CREATE) > 0);
    close(open("other/3", O_CREAT | O_WRONLY, 0600));
    struct pollfd p = {queue, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    int waiting = 0;
    SHOW(ioctl(queue, FIONREAD, &waiting));
    SHOW(waiting);
    TRY(read(queue, text, 20));
    TRY(write(queue, text, 20));
    show("last");

    /* Extended attributes: /proc has none anywhere. */
    TRY(getxattr("/proc/version", "user.x", text, 10));
    TRY(setxattr("/proc/version", "user.x", "y", 1, 0));
    TRY(setxattr("/proc/version", "user.x", "y", 1, 8));
    TRY(removexattr("/proc/version", "user.x"));
    TRY(getxattr("/proc/absent", "user.x", text, 10));
    SHOW(listxattr("/proc/version", text, 10));
    TRY(listxattr("/proc/absent", text, 10));
    TRY(getxattr("/proc/version", "", text, 10));
    TRY(fgetxattr(0x7fff, "user.x", text, 10));
    TRY(flistxattr(0x7fff, text, 10));
    return 0;
}
