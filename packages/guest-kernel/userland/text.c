#include "lib.h"

u32 strlen(const char *s)
{
    u32 n = 0;
    while (s[n]) n++;
    return n;
}

int strncmp(const char *a, const char *b, u32 n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b) return (u8)*a - (u8)*b;
        if (!*a) break;
    }
    return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, ~0u); }

bool starts_with(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

char *upto(const char *s, int c)
{
    while (*s && *s != (char)c) s++;
    return (char *)s;
}

char *strchr(const char *s, int c)
{
    s = upto(s, c);
    return *s == (char)c ? (char *)s : NULL;
}

char *strstr(const char *s, const char *part)
{
    for (;; s++) {
        if (starts_with(s, part)) return (char *)s;
        if (!*s) return NULL;
    }
}

void *memcpy(void *to, const void *from, u32 n)
{
    void *start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
    return start;
}

void *memmove(void *to, const void *from, u32 n)
{
    u8 *t = to;
    const u8 *f = from;
    if (t <= f) return memcpy(to, from, n);
    while (n-- > 0) t[n] = f[n];
    return to;
}

void *memset(void *to, int c, u32 n)
{
    void *start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return start;
}

const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (path[0] == '/' && path[1]) base = path + 1;
    return base;
}

bool number(const char *s, int *value)
{
    int v = 0;
    bool negative = *s == '-';
    if (negative) s++;
    if (!*s) return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9') return false;
        v = v * 10 + (*s - '0');
    }
    *value = negative ? -v : v;
    return true;
}

/* Whether `c` is in the bracket expression at `p` (behind the bracket); its end in `end`, NULL if it has none. */
static bool in_brackets(const char *p, char c, const char **end)
{
    bool negated = *p == '!' || *p == '^', found = false;
    const char *first = p += negated;
    for (; *p && (*p != ']' || p == first); p++) {
        char low = *p, high = low;
        if (p[1] == '-' && p[2] && p[2] != ']') {
            high = p[2];
            p += 2;
        }
        if (c >= low && c <= high) found = true;
    }
    *end = *p ? p + 1 : NULL;
    return found != negated;
}

bool matches(const char *pattern, const char *s)
{
    const char *star = NULL, *retry = NULL, *end;
    for (;;) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = s;
            continue;
        }
        if (!*pattern && !*s) return true;
        const char *next = pattern + 1;
        bool same = false;
        if (*pattern == '[' && *s && (same = in_brackets(pattern + 1, *s, &end), end)) next = end;
        else if (*pattern == '\\' && pattern[1]) same = *s == pattern[1], next = pattern + 2;
        else same = *s && *pattern && (*pattern == '?' || *pattern == *s);
        if (same && *s) {
            pattern = next;
            s++;
        } else {
            if (!star || !*retry) return false;
            pattern = star;
            s = ++retry;
        }
    }
}

u64 divide(u64 n, u32 by, u32 *rest)
{
    u64 result = 0;
    u64 left = 0;
    for (int bit = 63; bit >= 0; bit--) {
        left = left << 1 | (n >> bit & 1);
        if (left < by) continue;
        left -= by;
        result |= 1ull << bit;
    }
    if (rest) *rest = left;
    return result;
}
