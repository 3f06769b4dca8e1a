#include "sh.h"

/* A value lies in a buffer of its own, which a longer value replaces; those are not released with a command's memory. */
struct value { char *text; u32 room; u32 name_length; bool exported, set; };

enum { MOST = 256, BLOCK = 0x10000, SYS_mmap2 = 192 };
static struct value values[MOST];
static int count;
static char *block;
static u32 left;

static char *keep(u32 bytes)
{
    if (bytes > left) {
        u32 size = bytes > BLOCK ? (bytes + 4095) & ~4095u : BLOCK;
        block = (char *)syscall(SYS_mmap2, 0, size, 3, 0x22, -1);
        left = size;
    }
    left -= bytes;
    block += bytes;
    return block - bytes;
}

static struct value *find(const char *name, u32 length)
{
    for (int i = 0; i < count; i++)
        if (values[i].name_length == length && strncmp(values[i].text, name, length) == 0) return &values[i];
    return NULL;
}

void set_variable(const char *name, u32 length, const char *value)
{
    u32 size = length + strlen(value) + 2;
    struct value *v = find(name, length);
    if (!v) {
        if (count == MOST) {
            complain("too many variables");
            return;
        }
        v = &values[count++];
    }
    if (size > v->room) {
        u32 room = (size + 31) & ~31u;
        v->text = keep(room);
        v->room = room;
    }
    memmove(v->text + length + 1, value, strlen(value) + 1);
    memcpy(v->text, name, length);
    v->text[length] = '=';
    v->name_length = length;
    v->set = true;
}

const char *variable(const char *name)
{
    u32 length = strlen(name);
    if (!count) import_variables();
    struct value *v = find(name, length);
    return v && v->set ? v->text + length + 1 : NULL;
}

void import_variables(void)
{
    for (char **e = environment; *e; e++) {
        char *equals = strchr(*e, '=');
        if (!equals) continue;
        set_variable(*e, equals - *e, equals + 1);
        values[count - 1].exported = true;
    }
}

bool unset_variable(const char *name)
{
    struct value *v = find(name, strlen(name));
    if (v) v->set = v->exported = false;
    return v != NULL;
}

void export_variable(const char *name)
{
    if (!find(name, strlen(name))) set_variable(name, strlen(name), "");
    find(name, strlen(name))->exported = true;
}

char **exported(void)
{
    struct words list = { 0 };
    for (int i = 0; i < count; i++)
        if (values[i].exported && values[i].set) add_word(&list, values[i].text);
    if (!list.at) add_word(&list, NULL);
    return list.at;
}

void list_variables(bool exported_only)
{
    for (int i = 0; i < count; i++)
        if (values[i].set && (values[i].exported || !exported_only)) print("%s%s\n", exported_only ? "export " : "", values[i].text);
}
