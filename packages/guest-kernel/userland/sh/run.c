#include "sh.h"

int last_status;
bool interactive;

struct saved { int fd, copy; struct saved *next; };

static int opened(const struct redirect *r)
{
    char *target = expand_one(r->target);
    int fd;
    if (r->mode >= 0) {
        fd = open(target, r->mode, 0666);
        if (fd < 0) failed(target, fd);
        return fd;
    }
    if (strcmp(target, "-") == 0) return -2;
    if (number(target, &fd)) return syscall(SYS_fcntl64, fd, 0, 10);
    complain("bad descriptor: %s", target);
    return -1;
}

/* Puts the redirections into effect. @returns false if one failed; what was there before in `saved`, if wanted */
static bool redirect(const struct redirect *r, struct saved **saved)
{
    flush();
    for (; r; r = r->next) {
        int fd = opened(r);
        if (fd < 0 && fd != -2) return false;
        if (saved) {
            struct saved *s = allocate(sizeof *s);
            *s = (struct saved){ r->fd, syscall(SYS_fcntl64, r->fd, 1030, 10), *saved };
            *saved = s;
        }
        if (fd == -2) close(r->fd);
        else if (fd != r->fd) {
            syscall(SYS_dup2, fd, r->fd);
            close(fd);
        }
    }
    return true;
}

static void restore(const struct saved *s)
{
    flush();
    for (; s; s = s->next) {
        if (s->copy < 0) close(s->fd);
        else syscall(SYS_dup2, s->copy, s->fd), close(s->copy);
    }
}

static void execute(char **argv)
{
    char **env = exported();
    const char *path = variable("PATH");
    int error = -ENOENT;
    if (strchr(argv[0], '/')) error = syscall(SYS_execve, argv[0], argv, env);
    for (const char *from = path ? path : "/bin"; !strchr(argv[0], '/');) {
        u32 n = 0;
        while (from[n] && from[n] != ':') n++;
        char *directory = memcpy(allocate(n + 1), from, n);
        directory[n] = 0;
        int result = syscall(SYS_execve, join_path(directory, argv[0]), argv, env);
        if (result != -ENOENT) error = result;
        if (!from[n]) break;
        from += n + 1;
    }
    if (error == -ENOENT && !strchr(argv[0], '/')) complain("%s: not found (help lists what there is)", argv[0]);
    else failed(argv[0], error);
    flush();
    exit(error == -ENOENT ? 127 : 126);
}

/* In a child: runs `tree` and ends. */
static void child(struct node *tree, int group, bool foreground)
{
    enter_group(group, foreground);
    interactive = false;
    if (tree->kind == SIMPLE) {
        struct words argv = { 0 };
        expand(&tree->words, &argv);
        int status;
        if (!redirect(tree->redirects, NULL)) exit(1);
        if (argv.count && !strchr(argv.at[0], '=') && !run_builtin(argv.at, &status)) execute(argv.at);
        if (argv.count && !strchr(argv.at[0], '=')) flush(), exit(status);
        tree->redirects = NULL;
    }
    int status = run(tree);
    flush();
    exit(status);
}

static const char *name_of(const struct node *n)
{
    while (n->kind != SIMPLE && n->left) n = n->left;
    return n->kind == SIMPLE && n->words.count ? n->words.at[0] : "(shell)";
}

/* Starts a pipeline's processes. @returns the last one; its group in `group`, their number in `count` */
static int start(struct node *n, bool foreground, int *group, int *count)
{
    struct node *stages[64];
    int stage = 64, from = 0, pid = 0;
    for (; n->kind == PIPE && stage > 1; n = n->left) stages[--stage] = n->right;
    stages[--stage] = n;
    flush();
    for (*group = *count = 0; stage < 64; stage++) {
        int ends[2] = { 0, 1 };
        if (stage < 63 && syscall(SYS_pipe, ends) < 0) break;
        pid = fork();
        if (pid == 0) {
            if (from) syscall(SYS_dup2, from, 0), close(from);
            if (stage < 63) syscall(SYS_dup2, ends[1], 1), close(ends[0]), close(ends[1]);
            child(stages[stage], *group, foreground);
        }
        if (from) close(from);
        if (stage < 63) from = ends[0], close(ends[1]);
        if (pid < 0) {
            failed("fork", pid);
            break;
        }
        if (!*group) *group = pid;
        if (interactive) syscall(SYS_setpgid, pid, *group);
        ++*count;
    }
    return pid;
}

static int spawn(struct node *n)
{
    int group, count, last = start(n, true, &group, &count);
    if (interactive && group) ioctl(0, TIOCSPGRP, &group);
    return wait_group(group, count, last, name_of(n));
}

static int background(struct node *n)
{
    int group, count;
    start(n, false, &group, &count);
    if (group) remember_job(group, name_of(n), false);
    return 0;
}

static int assign(const struct words *words)
{
    for (int i = 0; i < words->count; i++) {
        char *equals = strchr(words->at[i], '=');
        set_variable(words->at[i], equals - words->at[i], expand_one(equals + 1));
    }
    return 0;
}

static bool is_assignment(const char *word)
{
    const char *equals = strchr(word, '=');
    for (const char *p = word; equals && p < equals; p++)
        if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (p > word && *p >= '0' && *p <= '9'))) return false;
    return equals && equals > word;
}

static int simple(struct node *n)
{
    struct saved *saved = NULL;
    int status = 1;
    bool assignments = n->words.count > 0;
    for (int i = 0; i < n->words.count; i++) assignments = assignments && is_assignment(n->words.at[i]);
    if (assignments) return assign(&n->words);
    struct words argv = { 0 };
    expand(&n->words, &argv);
    if (argv.count && !is_builtin(argv.at[0])) return spawn(n);
    if (redirect(n->redirects, &saved)) {
        status = 0;
        if (argv.count) run_builtin(argv.at, &status);
    }
    restore(saved);
    return status;
}

static int repeat(struct node *n)
{
    struct words values = { 0 };
    int status = 0;
    struct words list = { n->words.at + 1, n->words.count - 1, 0 };
    if (n->kind == FOR) expand(&list, &values);
    for (int i = 0;; i++) {
        u32 before = mark();
        if (n->kind == FOR) {
            if (i >= values.count) break;
            set_variable(n->words.at[0], strlen(n->words.at[0]), values.at[i]);
        } else if ((run(n->left) == 0) != (n->kind == WHILE))
            break;
        status = run(n->right);
        release(before);
        if (status == 128 + SIGINT) break;
    }
    return status;
}

static int evaluate(struct node *n)
{
    int status;
    switch (n->kind) {
    case SIMPLE: return simple(n);
    case PIPE: case SUBSHELL: return spawn(n);
    case AND: status = run(n->left); return status == 0 ? run(n->right) : status;
    case OR: status = run(n->left); return status == 0 ? 0 : run(n->right);
    case NOT: return !run(n->left);
    case SEQUENCE: run(n->left); return run(n->right);
    case BACKGROUND: return background(n->left);
    case IF: return run(n->left) == 0 ? run(n->right) : run(n->other);
    case GROUP: return run(n->left);
    default: return repeat(n);
    }
}

int run(struct node *n)
{
    struct saved *saved = NULL;
    if (!n) return 0;
    bool compound = n->kind >= IF && n->redirects;
    if (n->kind == SUBSHELL) {
        struct node *inside = allocate(sizeof *inside);
        *inside = (struct node){ .kind = GROUP, .left = n->left, .redirects = n->redirects };
        return last_status = spawn(inside);
    }
    if (compound && !redirect(n->redirects, &saved)) last_status = 1;
    else last_status = evaluate(n);
    if (compound) restore(saved);
    return last_status;
}

int run_text(const char *text)
{
    struct node *tree;
    if (parse(text, &tree) != PARSED) {
        complain("syntax error");
        return last_status = 2;
    }
    return tree ? run(tree) : last_status;
}

char *output_of(const char *text)
{
    int ends[2];
    flush();
    if (syscall(SYS_pipe, ends) < 0) return "";
    int pid = fork(), n, status;
    if (pid == 0) {
        syscall(SYS_dup2, ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        interactive = false;
        run_text(text);
        flush();
        exit(last_status);
    }
    close(ends[1]);
    u32 room = 1024, length = 0;
    char *all = allocate(room);
    while ((n = read(ends[0], all + length, room - length - 1)) > 0) {
        length += n;
        if (length + 1 < room) continue;
        all = memcpy(allocate(2 * room), all, length);
        room *= 2;
    }
    close(ends[0]);
    while (wait4(pid, &status, 0) == -EINTR) continue;
    while (length > 0 && all[length - 1] == '\n') length--;
    all[length] = 0;
    return all;
}
