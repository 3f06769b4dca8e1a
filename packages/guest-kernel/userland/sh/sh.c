#include "sh.h"

enum { ROOM = 8192 };

static const char *prompt(bool more)
{
    if (more) return "> ";
    struct utsname u;
    char where[256];
    syscall(SYS_uname, &u);
    if (syscall(SYS_getcwd, where, sizeof where) <= 0) where[0] = '?', where[1] = 0;
    const char *home = variable("HOME");
    bool at_home = home && strcmp(home, where) == 0;
    char *text = allocate(400);
    u32 n = strlen(u.nodename), m = at_home ? 1 : strlen(where);
    memcpy(text, u.nodename, n);
    text[n] = ':';
    memcpy(text + n + 1, at_home ? "~" : where, m);
    memcpy(text + n + 1 + m, syscall(SYS_getuid32) == 0 ? "# " : "$ ", 3);
    return text;
}

/* Commands of several lines are collected until they are whole. */
static int prompt_loop(void)
{
    static char text[ROOM];
    u32 length = 0;
    char *line;
    u32 start = mark();
    for (;;) {
        report_jobs();
        flush();
        if (!edit_line(prompt(length > 0), &line)) break;
        u32 n = strlen(line);
        if (length + n + 2 > ROOM) length = 0;
        memcpy(text + length, line, n);
        text[length + n] = '\n';
        text[length + n + 1] = 0;
        struct node *tree;
        enum result result = parse(text, &tree);
        if (result == INCOMPLETE && n > 0) {
            length += n + 1;
            continue;
        }
        length = 0;
        if (result == PARSED && tree) run(tree);
        else if (result != PARSED) complain("syntax error");
        flush();
        release(start);
    }
    return last_status;
}

int sh_main(int argc, char **argv)
{
    struct termios t;
    char *text = NULL;
    import_variables();
    int from = 1;
    if (argc > 2 && strcmp(argv[1], "-c") == 0) text = argv[2], from = 3;
    else if (argc > 1 && argv[1][0] != '-') {
        text = read_file(argv[1]);
        if (!text) return failed(argv[1], -ENOENT), 127;
    }
    if (from == 1) add_word(&arguments, argv[0]);
    for (int i = from; i < argc; i++) {
        if (from == 1 && i == 1) arguments.at[0] = argv[1];
        else add_word(&arguments, argv[i]);
    }
    if (!arguments.count) add_word(&arguments, argv[0]);
    if (text) return run_text(text);
    if (ioctl(0, TCGETS, &t) < 0) {
        text = read_file("/dev/stdin");
        return text ? run_text(text) : 1;
    }
    interactive = true;
    start_jobs();
    return prompt_loop();
}
