#include "sh.h"

static const char *at;
static enum result result;

static void fail(enum result why)
{
    if (result == PARSED) result = why;
}

static void skip_blanks(void)
{
    for (;; at++) {
        if (at[0] == '\\' && at[1] == '\n') at++;
        else if (*at == '#')
            while (at[1] && at[1] != '\n') at++;
        else if (*at != ' ' && *at != '\t') return;
    }
}

static void skip_lines(void)
{
    for (skip_blanks(); *at == '\n'; skip_blanks()) at++;
}

/* Behind a quoted part or a substitution that begins at `p`. */
static const char *skip_nested(const char *p)
{
    if (*p == '\\') return p[1] ? p + 2 : (fail(INCOMPLETE), p + 1);
    if (*p == '\'' || *p == '`') {
        const char *end = strchr(p + 1, *p);
        return end ? end + 1 : (fail(INCOMPLETE), p + strlen(p));
    }
    bool string = *p == '"';
    char close = string ? '"' : p[1] == '(' ? ')' : '}';
    for (p += string ? 1 : 2; *p && *p != close;) {
        bool nested = *p == '\\' || (*p == '$' && (p[1] == '(' || p[1] == '{')) || *p == '`' || (!string && (*p == '"' || *p == '\''));
        p = nested ? skip_nested(p) : p + 1;
    }
    if (*p) return p + 1;
    fail(INCOMPLETE);
    return p;
}

static char *word(void)
{
    const char *start = at;
    while (*at && !strchr(" \t\n;&|<>()", *at)) {
        bool nested = strchr("\\'\"`", *at) || (*at == '$' && (at[1] == '(' || at[1] == '{'));
        at = nested ? skip_nested(at) : at + 1;
    }
    char *text = allocate(at - start + 1);
    memcpy(text, start, at - start);
    text[at - start] = 0;
    return text;
}

static bool eat(const char *token)
{
    skip_blanks();
    u32 n = strlen(token);
    if (strncmp(at, token, n) != 0) return false;
    if ((token[0] == '&' || token[0] == '|') && n == 1 && at[1] == token[0]) return false;
    bool name = token[0] >= 'a';
    if (name && at[n] && !strchr(" \t\n;&|<>()", at[n])) return false;
    at += n;
    return true;
}

static struct node *make(enum kind kind, struct node *left, struct node *right)
{
    struct node *n = allocate(sizeof *n);
    memset(n, 0, sizeof *n);
    n->kind = kind;
    n->left = left;
    n->right = right;
    return n;
}

static struct node *list(void);

static void expect(const char *token)
{
    skip_lines();
    if (!eat(token)) fail(*at ? WRONG : INCOMPLETE);
}

static bool redirect(struct node *n)
{
    const char *start = at;
    int fd = -1;
    if (*at >= '0' && *at <= '9') fd = *at++ - '0';
    if (*at != '<' && *at != '>') {
        at = start;
        return false;
    }
    bool in = *at++ == '<';
    struct redirect *r = allocate(sizeof *r);
    *r = (struct redirect){ fd >= 0 ? fd : !in, in ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, NULL, NULL };
    if (*at == '>' && !in) r->mode = O_WRONLY | O_CREAT | O_APPEND, at++;
    else if (*at == '&') r->mode = -1, at++;
    else if (*at == '>' && in) r->mode = O_RDWR | O_CREAT, at++;
    skip_blanks();
    r->target = word();
    if (!*r->target) fail(*at ? WRONG : INCOMPLETE);
    struct redirect **last = &n->redirects;
    while (*last) last = &(*last)->next;
    *last = r;
    return true;
}

static struct node *conditional(void)
{
    struct node *n = make(IF, list(), NULL);
    expect("then");
    n->right = list();
    skip_lines();
    if (eat("elif")) n->other = conditional();
    else {
        if (eat("else")) n->other = list();
        expect("fi");
    }
    return n;
}

static struct node *loop(enum kind kind)
{
    struct node *n = make(kind, NULL, NULL);
    if (kind == FOR) {
        skip_blanks();
        add_word(&n->words, word());
        skip_lines();
        if (eat("in"))
            for (skip_blanks(); *at && !strchr("\n;&|<>()", *at); skip_blanks()) add_word(&n->words, word());
        else
            add_word(&n->words, "\"$@\"");
        eat(";");
    } else
        n->left = list();
    expect("do");
    n->right = list();
    expect("done");
    return n;
}

static struct node *command(void)
{
    struct node *n = NULL;
    skip_blanks();
    if (eat("if")) n = conditional();
    else if (eat("while")) n = loop(WHILE);
    else if (eat("until")) n = loop(UNTIL);
    else if (eat("for")) n = loop(FOR);
    else if (eat("{")) {
        n = make(GROUP, list(), NULL);
        expect("}");
    } else if (eat("(")) {
        n = make(SUBSHELL, list(), NULL);
        expect(")");
    }
    bool simple = !n;
    if (simple) n = make(SIMPLE, NULL, NULL);
    for (skip_blanks(); *at; skip_blanks()) {
        if (redirect(n)) continue;
        if (!simple || strchr("\n;&|()", *at)) break;
        add_word(&n->words, word());
    }
    if (simple && !n->words.count && !n->redirects) fail(*at ? WRONG : INCOMPLETE);
    return n;
}

static struct node *pipeline(void)
{
    bool negated = eat("!");
    struct node *n = command();
    while (result == PARSED && eat("|")) {
        skip_lines();
        n = make(PIPE, n, command());
    }
    return negated ? make(NOT, n, NULL) : n;
}

static bool at_end(void)
{
    static const char *const closing[] = { "then", "else", "elif", "fi", "do", "done", "}", ")" };
    if (!*at) return true;
    for (int i = 0; i < count_of(closing); i++) {
        const char *before = at;
        bool found = eat(closing[i]);
        at = before;
        if (found) return true;
    }
    return false;
}

static struct node *list(void)
{
    struct node *all = NULL;
    for (skip_lines(); result == PARSED && !at_end(); skip_lines()) {
        struct node *n = pipeline();
        for (;;) {
            enum kind kind = eat("&&") ? AND : eat("||") ? OR : SIMPLE;
            if (kind == SIMPLE || result != PARSED) break;
            skip_lines();
            n = make(kind, n, pipeline());
        }
        if (eat("&")) n = make(BACKGROUND, n, NULL);
        else eat(";");
        all = all ? make(SEQUENCE, all, n) : n;
    }
    return all;
}

enum result parse(const char *text, struct node **tree)
{
    at = text;
    result = PARSED;
    *tree = list();
    if (result == PARSED && *at) result = WRONG;
    return result;
}
