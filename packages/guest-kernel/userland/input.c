#include "lib.h"

bool read_line(struct reader *r, char **line)
{
    u32 length = 0, room = 128;
    char *text = allocate(room);
    for (;;) {
        if (r->at == r->end) {
            int n;
            while ((n = read(r->fd, r->buffer, sizeof r->buffer)) == -EINTR) continue;
            if (n <= 0) break;
            r->at = 0;
            r->end = n;
        }
        char c = r->buffer[r->at++];
        if (c == '\n') {
            text[length] = 0;
            *line = text;
            return true;
        }
        if (length + 1 == room) {
            char *bigger = allocate(room * 2);
            memcpy(bigger, text, length);
            text = bigger;
            room *= 2;
        }
        text[length++] = c;
    }
    text[length] = 0;
    *line = text;
    return length > 0;
}

char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY, 0);
    if (fd < 0) return NULL;
    u32 room = 4096, length = 0;
    char *text = allocate(room);
    for (int n; (n = read(fd, text + length, room - length - 1)) > 0;) {
        length += n;
        if (room - length > 1) continue;
        char *bigger = allocate(room * 2);
        memcpy(bigger, text, length);
        text = bigger;
        room *= 2;
    }
    close(fd);
    text[length] = 0;
    return text;
}

int for_files(char **paths, int (*each)(int fd, const char *name))
{
    int status = 0;
    if (!*paths) return each(0, NULL);
    for (; *paths; paths++) {
        int fd = strcmp(*paths, "-") == 0 ? 0 : open(*paths, O_RDONLY, 0);
        if (fd < 0) {
            status = failed(*paths, fd);
            continue;
        }
        int result = each(fd, *paths);
        if (result) status = result;
        if (fd > 0) close(fd);
    }
    return status;
}

int list_directory(const char *path, struct words *names)
{
    char buffer[2048];
    int fd = open(path, O_RDONLY | O_DIRECTORY, 0), n, first = names->count;
    if (fd < 0) return fd;
    while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
        for (int at = 0; at < n;) {
            struct dirent *d = (struct dirent *)(buffer + at);
            at += d->reclen;
            if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0) add_word(names, duplicate(d->name));
        }
    }
    close(fd);
    sort_words(names, first);
    return n;
}
