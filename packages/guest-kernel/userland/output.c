#include "lib.h"

const char *applet_name = "box";
static char collected[4096];
static u32 used;

static void write_all(int fd, const char *from, u32 n)
{
    while (n > 0) {
        int done = write(fd, from, n);
        if (done == -EINTR) continue;
        if (done <= 0) return;
        from += done;
        n -= done;
    }
}

void flush(void)
{
    write_all(1, collected, used);
    used = 0;
}

void put_bytes(const void *from, u32 n)
{
    if (used + n > sizeof collected) flush();
    if (n > sizeof collected) {
        write_all(1, from, n);
        return;
    }
    memcpy(collected + used, from, n);
    used += n;
}

void put(const char *s) { put_bytes(s, strlen(s)); }

static char *digits(char *end, u64 v, u32 base)
{
    *--end = 0;
    do {
        u32 digit;
        v = divide(v, base, &digit);
        *--end = "0123456789abcdef"[digit];
    } while (v);
    return end;
}

static void pad(int n, char with)
{
    while (n-- > 0) put_bytes(&with, 1);
}

static void print_list(const char *f, va_list list)
{
    char text[32];
    for (; *f; f++) {
        if (*f != '%') {
            put_bytes(f, 1);
            continue;
        }
        bool left = *++f == '-';
        if (left) f++;
        char fill = *f == '0' ? '0' : ' ';
        int width = 0;
        for (; *f >= '0' && *f <= '9'; f++) width = width * 10 + (*f - '0');
        const char *s = text;
        if (*f == 's') s = va_arg(list, const char *);
        else if (*f == 'c') text[0] = va_arg(list, int), text[1] = 0;
        else if (*f == 'b') s = digits(text + sizeof text, va_arg(list, u64), 10);
        else if (*f == 'd') {
            int v = va_arg(list, int);
            char *at = digits(text + sizeof text, v < 0 ? -(u32)v : (u32)v, 10);
            if (v < 0) *--at = '-';
            s = at;
        } else if (*f == 'u' || *f == 'x' || *f == 'o')
            s = digits(text + sizeof text, va_arg(list, u32), *f == 'u' ? 10 : *f == 'x' ? 16 : 8);
        else s = "%";
        int room = width - (int)strlen(s);
        if (!left) pad(room, fill);
        put(s);
        if (left) pad(room, ' ');
    }
}

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

void complain(const char *format, ...)
{
    va_list list;
    flush();
    print("%s: ", applet_name);
    va_start(list, format);
    print_list(format, list);
    va_end(list);
    put("\n");
    write_all(2, collected, used);
    used = 0;
}

static const struct { int number; const char *text; } errors[] = {
    { 1, "Operation not permitted" }, { 2, "No such file or directory" }, { 3, "No such process" }, { 5, "I/O error" },
    { 8, "Exec format error" }, { 9, "Bad file descriptor" }, { 10, "No child processes" }, { 11, "Resource temporarily unavailable" },
    { 12, "Out of memory" }, { 13, "Permission denied" }, { 16, "Device or resource busy" }, { 17, "File exists" },
    { 18, "Invalid cross-device link" }, { 19, "No such device" }, { 20, "Not a directory" }, { 21, "Is a directory" },
    { 22, "Invalid argument" }, { 28, "No space left on device" }, { 30, "Read-only file system" }, { 32, "Broken pipe" },
    { 36, "File name too long" }, { 38, "Function not implemented" }, { 39, "Directory not empty" }, { 40, "Too many levels of symbolic links" },
    { 101, "Network is unreachable" }, { 110, "Connection timed out" }, { 111, "Connection refused" }, { 113, "No route to host" },
};

int failed(const char *what, int result)
{
    for (int i = 0; i < count_of(errors); i++) {
        if (errors[i].number != -result) continue;
        complain("%s: %s", what, errors[i].text);
        return 1;
    }
    complain("%s: error %d", what, -result);
    return 1;
}
