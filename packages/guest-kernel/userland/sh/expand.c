#include "sh.h"

struct words arguments;

/* A word being made. Characters that were quoted carry a backslash where patterns are looked for. */
struct build { char *text; u32 length, room; bool any; struct words *to; bool split; };

static void append(struct build *b, char c, bool quoted)
{
    if (b->length + 3 > b->room) {
        u32 room = b->room ? 2 * b->room : 64;
        b->text = memcpy(allocate(room), b->text, b->length);
        b->room = room;
    }
    if (quoted && b->split && strchr("*?[\\", c)) b->text[b->length++] = '\\';
    b->text[b->length++] = c;
    b->any = true;
}

static char *unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1]) from++;
        *to++ = *from;
    }
    *to = 0;
    return text;
}

/* Adds the names that match, component by component. @returns how many */
static int glob(char *pattern, const char *directory, struct words *to)
{
    char *slash = strchr(pattern, '/');
    int before = to->count;
    if (slash == pattern) return glob(pattern + 1, *directory ? directory : "/", to);
    if (slash) *slash = 0;
    struct words names = { 0 };
    list_directory(*directory ? directory : ".", &names);
    for (int i = 0; i < names.count; i++) {
        if ((names.at[i][0] == '.' && pattern[0] != '.') || !matches(pattern, names.at[i])) continue;
        char *path = *directory ? join_path(directory, names.at[i]) : names.at[i];
        if (slash && slash[1]) glob(slash + 1, path, to);
        else add_word(to, path);
    }
    if (slash) *slash = '/';
    return to->count - before;
}

static bool has_pattern(const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' && s[1]) s++;
        else if (strchr("*?[", *s)) return true;
    }
    return false;
}

static void end_word(struct build *b)
{
    if (!b->any) return;
    append(b, 0, false);
    if (!b->split) {
        add_word(b->to, b->text);
    } else {
        char *pattern = duplicate(b->text);
        if (!has_pattern(b->text) || glob(pattern, "", b->to) == 0) add_word(b->to, unescape(b->text));
    }
    *b = (struct build){ .to = b->to, .split = b->split };
}

static void append_value(struct build *b, const char *value, bool quoted)
{
    for (; value && *value; value++) {
        if (!quoted && b->split && strchr(" \t\n", *value)) end_word(b);
        else append(b, *value, quoted);
    }
}

static bool is_name(char c, bool first)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && c >= '0' && c <= '9');
}

static const char *decimal(int v)
{
    char *text = allocate(12), *end = text + 11;
    u32 left = v < 0 ? -v : v, digit;
    *end = 0;
    do {
        left = divide(left, 10, &digit);
        *--end = '0' + digit;
    } while (left);
    if (v < 0) *--end = '-';
    return end;
}

static char *part(const char *from, u32 n)
{
    char *text = memcpy(allocate(n + 1), from, n);
    text[n] = 0;
    return text;
}

static void append_all(struct build *b, bool quoted)
{
    for (int i = 1; i < arguments.count; i++) {
        if (i > 1) {
            if (b->split) b->any = true, end_word(b);
            else append(b, ' ', false);
        }
        append_value(b, arguments.at[i], quoted);
    }
}

static const char *value_of(const char *name)
{
    int index;
    if (strcmp(name, "?") == 0) return decimal(last_status);
    if (strcmp(name, "$") == 0) return decimal(syscall(SYS_getpid));
    if (strcmp(name, "#") == 0) return decimal(arguments.count - 1);
    if (number(name, &index)) return index < arguments.count ? arguments.at[index] : NULL;
    return variable(name);
}

/* ${NAME}, ${NAME:-word}, ${NAME-word}. */
static const char *braced(const char *text)
{
    u32 n = 0;
    while (is_name(text[n], false)) n++;
    if (n == 0 && text[0]) n = 1;
    const char *value = value_of(part(text, n)), *rest = text + n;
    bool or_empty = *rest == ':';
    if (rest[or_empty] == '-' && (!value || (or_empty && !*value))) return expand_one(rest + or_empty + 1);
    return value;
}

/* What follows a $ at `p`. @returns where the word goes on */
static const char *substitute(struct build *b, const char *p, bool quoted)
{
    if (*p == '(' || *p == '{') {
        int depth = 0;
        const char *end = p;
        char open = *p, close = open == '(' ? ')' : '}';
        do {
            if (*end == open) depth++;
            if (*end == close) depth--;
        } while (*end++ && depth > 0);
        char *inner = part(p + 1, end - p - 2);
        append_value(b, open == '(' ? output_of(inner) : braced(inner), quoted);
        return end;
    }
    if (*p == '@' || *p == '*') {
        append_all(b, quoted);
        return p + 1;
    }
    u32 n = 0;
    if (is_name(*p, true))
        while (is_name(p[n], false)) n++;
    else if ((*p >= '0' && *p <= '9') || (*p && strchr("?$#", *p)))
        n = 1;
    if (n == 0) append(b, '$', quoted);
    else append_value(b, value_of(part(p, n)), quoted);
    return p + n;
}

static const char *in_string(struct build *b, const char *p)
{
    b->any = true;
    while (*p && *p != '"') {
        if (*p == '\\' && p[1] && strchr("$`\"\\\n", p[1])) append(b, p[1], true), p += 2;
        else if (*p == '$') p = substitute(b, p + 1, true);
        else append(b, *p++, true);
    }
    return *p ? p + 1 : p;
}

static void expand_word(struct build *b, const char *p)
{
    const char *home = variable("HOME");
    if (*p == '~' && (!p[1] || p[1] == '/') && home) append_value(b, home, true), p++;
    while (*p) {
        if (*p == '\'') {
            b->any = true;
            for (p++; *p && *p != '\''; p++) append(b, *p, true);
            if (*p) p++;
        } else if (*p == '"') p = in_string(b, p + 1);
        else if (*p == '\\' && p[1]) append(b, p[1], true), p += 2;
        else if (*p == '$') p = substitute(b, p + 1, false);
        else if (*p == '`') {
            const char *end = strchr(p + 1, '`');
            append_value(b, output_of(part(p + 1, end - p - 1)), false);
            p = end + 1;
        } else append(b, *p++, false);
    }
    end_word(b);
}

void expand(const struct words *from, struct words *to)
{
    struct build b = { .to = to, .split = true };
    for (int i = 0; i < from->count; i++) expand_word(&b, from->at[i]);
}

char *expand_one(const char *word)
{
    struct words out = { 0 };
    struct build b = { .to = &out, .split = false };
    expand_word(&b, word);
    return out.count ? out.at[0] : "";
}
