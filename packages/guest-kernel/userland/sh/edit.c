#include "sh.h"

/* A line editor for a terminal: cursor keys, history, completion of file names. */
enum { MOST = 1024, HISTORY = 64, ESCAPE = 27, DELETE = 127 };
#define CTRL(letter) ((letter) & 31)

static char history[HISTORY][MOST];
static int remembered;
static char line[MOST];
static int length, cursor;
static const char *shown_prompt;

static void draw(void)
{
    line[length] = 0;
    print("\r%s%s\033[K\r%s", shown_prompt, line, shown_prompt);
    put_bytes(line, cursor);
    flush();
}

static void insert(const char *text, int n)
{
    if (length + n >= MOST - 1) return;
    memmove(line + cursor + n, line + cursor, length - cursor);
    memcpy(line + cursor, text, n);
    length += n;
    cursor += n;
}

static void erase(int from, int to)
{
    memmove(line + from, line + to, length - to);
    length -= to - from;
    cursor = from;
}

static int word_start(void)
{
    int at = cursor;
    while (at > 0 && line[at - 1] == ' ') at--;
    while (at > 0 && line[at - 1] != ' ') at--;
    return at;
}

static bool is_directory(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && (s.mode & S_IFMT) == S_IFDIR;
}

static void complete(void)
{
    int from = cursor;
    while (from > 0 && !strchr(" ;|&<>", line[from - 1])) from--;
    bool command = from == 0;
    line[length] = 0;
    char *typed = memcpy(allocate(cursor - from + 1), line + from, cursor - from);
    typed[cursor - from] = 0;
    char *slash = NULL;
    for (char *p = typed; *p; p++)
        if (*p == '/') slash = p;
    const char *part = slash ? slash + 1 : typed;
    char *directory = command && !slash ? "/bin" : ".";
    if (slash) {
        directory = duplicate(typed);
        directory[slash - typed + 1] = 0;
    }
    struct words names = { 0 };
    list_directory(directory, &names);
    const char *first = NULL;
    u32 common = 0, have = strlen(part);
    int found = 0;
    for (int i = 0; i < names.count; i++) {
        const char *name = names.at[i];
        if (!starts_with(name, part) || (*name == '.' && !*part)) continue;
        if (!found++) first = name, common = strlen(name);
        while (strncmp(first, name, common) != 0) common--;
    }
    if (!found) return;
    if (common > have) insert(first + have, common - have);
    else if (found > 1) {
        put("\n");
        for (int i = 0; i < names.count; i++)
            if (starts_with(names.at[i], part) && (*names.at[i] != '.' || *part)) print("%s  ", names.at[i]);
        put("\n");
    }
    if (found == 1) insert(is_directory(join_path(directory, first)) ? "/" : " ", 1);
}

static void recall(int *index, int by)
{
    int wanted = *index + by;
    if (wanted < 0 || wanted > remembered || wanted < remembered - HISTORY) return;
    *index = wanted;
    const char *text = wanted == remembered ? "" : history[wanted % HISTORY];
    length = cursor = strlen(text);
    memcpy(line, text, length);
}

static int key(void)
{
    u8 c;
    int n;
    while ((n = read(0, &c, 1)) == -EINTR) continue;
    return n == 1 ? c : -1;
}

static void escape(int *index)
{
    int c = key();
    if (c != '[' && c != 'O') return;
    c = key();
    if (c >= '0' && c <= '9') {
        int digit = c;
        while ((c = key()) >= '0' && c <= '9') continue;
        c = digit == '1' || digit == '7' ? 'H' : digit == '4' || digit == '8' ? 'F' : digit == '3' ? 'x' : 0;
    }
    if (c == 'A') recall(index, -1);
    else if (c == 'B') recall(index, 1);
    else if (c == 'C' && cursor < length) cursor++;
    else if (c == 'D' && cursor > 0) cursor--;
    else if (c == 'H') cursor = 0;
    else if (c == 'F') cursor = length;
    else if (c == 'x' && cursor < length) erase(cursor, cursor + 1);
}

/* @returns false when the line is done */
static bool press(int c, int *index)
{
    if (c == '\r' || c == '\n') return false;
    if (c == CTRL('a')) cursor = 0;
    else if (c == CTRL('e')) cursor = length;
    else if (c == CTRL('b') && cursor > 0) cursor--;
    else if (c == CTRL('f') && cursor < length) cursor++;
    else if (c == CTRL('p')) recall(index, -1);
    else if (c == CTRL('n')) recall(index, 1);
    else if (c == CTRL('k')) length = cursor;
    else if (c == CTRL('u')) erase(0, cursor);
    else if (c == CTRL('w')) erase(word_start(), cursor);
    else if (c == CTRL('l')) put("\033[H\033[2J");
    else if (c == '\t') complete();
    else if (c == ESCAPE) escape(index);
    else if ((c == DELETE || c == CTRL('h')) && cursor > 0) erase(cursor - 1, cursor);
    else if (c == CTRL('d') && cursor < length) erase(cursor, cursor + 1);
    else if (c >= ' ' && c != DELETE) insert((char *)&c, 1);
    return true;
}

bool edit_line(const char *prompt, char **result)
{
    struct termios before, raw;
    int index = remembered, c;
    ioctl(0, TCGETS, &before);
    raw = before;
    raw.lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
    raw.cc[VMIN] = 1;
    raw.cc[VTIME] = 0;
    ioctl(0, TCSETSW, &raw);
    shown_prompt = prompt;
    length = cursor = 0;
    for (draw(); (c = key()) >= 0;) {
        if (c == CTRL('c')) {
            put("^C");
            length = 0;
            break;
        }
        if (c == CTRL('d') && length == 0) c = -1;
        int before_length = length;
        if (c < 0 || !press(c, &index)) break;
        bool appended = c >= ' ' && c != DELETE && cursor == length && length == before_length + 1;
        if (!appended) draw();
        else put_bytes(line + cursor - 1, 1), flush();
    }
    ioctl(0, TCSETSW, &before);
    put("\n");
    flush();
    line[length] = 0;
    if (length > 0) memcpy(history[remembered++ % HISTORY], line, length + 1);
    *result = line;
    return c >= 0;
}
