/* What processes share: anonymous memory over fork, files, and what they do not. */
#include "conformance.h"

int main(void)
{
    int *shared = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared[0] = own[0] = 1;
    IN_CHILD("child", { shared[0] = 2; shared[1024] = 3; own[0] = 2; });
    SHOW(shared[0]);
    SHOW(shared[1024]);
    SHOW(own[0]);
    /* Touched first by a grandchild, moved and protected in between. */
    IN_CHILD("child", IN_CHILD("grandchild", shared[2048] = 5));
    SHOW(shared[2048]);
    int *moved = mremap(shared, 3 * 4096, 3 * 4096, MREMAP_MAYMOVE);
    SHOW(moved[2048]);
    mprotect(moved, 4096, PROT_READ);
    IN_CHILD("child", { mprotect(moved, 4096, PROT_READ | PROT_WRITE); moved[0] = 8; });
    SHOW(moved[0]);
    mprotect(moved, 4096, PROT_READ | PROT_WRITE);
    moved[1] = 4;
    SHOW(moved[1]);
    /* A file: mappings, read and write agree. */
    int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 5000);
    char *file = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    IN_CHILD("child", { strcpy(file + 10, "from the child"); strcpy(file + 4090, "over the border"); });
    printf("%s, %s\n", file + 10, private + 10);
    private[10] = 'F';
    char text[40];
    pread(fd, text, 15, 10);
    printf("%.15s\n", text);
    pwrite(fd, "THE", 3, 15);
    printf("%s, %s\n", file + 10, private + 10);
    pread(fd, text, 16, 4090);
    printf("%.16s\n", text);
    SHOW(file[5000]);
    ftruncate(fd, 4096);
    IN_CHILD("behind the end", file[4096] = 1);
    ftruncate(fd, 8192);
    SHOW(file[4096]);
    /* Cut in the middle of a page that was written to through the mapping. */
    strcpy(file, "kept and gone");
    ftruncate(fd, 4);
    SHOW(file[3]);
    SHOW(file[4]);
    IN_CHILD("a private copy behind the end", private[4096] = 1);
    ftruncate(fd, 8192);
    private[4096] = 5;
    ftruncate(fd, 4096);
    ftruncate(fd, 8192);
    SHOW(private[4096]);
    TRY(msync(file, 8192, MS_SYNC));
    TRY(msync(file + 1, 8192, MS_SYNC));
    TRY(msync((void *)0x10000, 8192, MS_SYNC));
    TRY(msync(file, 8192, MS_SYNC | MS_ASYNC));
    unlink("shared");
    /* Through a descriptor that only reads. */
    fd = open("/proc/self/exe", O_RDONLY);
    TRY(mmap(0, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    TRY(mmap(0, 4096, PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    return 0;
}
