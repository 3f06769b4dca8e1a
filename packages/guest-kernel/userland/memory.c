#include "lib.h"

static u32 next, limit;

void *allocate(u32 bytes)
{
    if (!next) next = limit = syscall(SYS_brk, 0);
    u32 at = (next + 7) & ~7u;
    if (bytes > 0x40000000) bytes = 0x40000000;
    if (at + bytes > limit) {
        u32 wanted = (at + bytes + 0xffff) & ~0xffffu;
        if ((u32)syscall(SYS_brk, wanted) < wanted) {
            complain("out of memory");
            exit(1);
        }
        limit = wanted;
    }
    next = at + bytes;
    return (void *)at;
}

u32 mark(void)
{
    allocate(0);
    return next;
}

void release(u32 to) { next = to; }

char *duplicate(const char *s)
{
    u32 size = strlen(s) + 1;
    return memcpy(allocate(size), s, size);
}

char *join_path(const char *directory, const char *name)
{
    u32 n = strlen(directory), slash = n > 0 && directory[n - 1] != '/', size = strlen(name) + 1;
    char *path = allocate(n + slash + size);
    memcpy(path, directory, n);
    if (slash) path[n] = '/';
    memcpy(path + n + slash, name, size);
    return path;
}

void add_word(struct words *list, char *word)
{
    if (list->count + 1 >= list->room) {
        int room = list->room ? 2 * list->room : 16;
        char **at = allocate(room * sizeof *at);
        memcpy(at, list->at, list->count * sizeof *at);
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = word;
    list->at[list->count] = NULL;
}

static void sift(char **heap, int at, int count)
{
    for (int child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && strcmp(heap[child], heap[child + 1]) < 0) child++;
        if (strcmp(heap[at], heap[child]) >= 0) return;
        char *other = heap[at];
        heap[at] = heap[child];
        heap[child] = other;
    }
}

void sort_words(struct words *list, int from)
{
    char **heap = list->at + from;
    int count = list->count - from;
    for (int i = count / 2 - 1; i >= 0; i--) sift(heap, i, count);
    for (int last = count - 1; last > 0; last--) {
        char *biggest = heap[0];
        heap[0] = heap[last];
        heap[last] = biggest;
        sift(heap, 0, last);
    }
}
