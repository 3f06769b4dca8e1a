/* A shell of the Bourne family, as far as a prompt and small scripts need it. */
#ifndef SH_H
#define SH_H
#include "../lib.h"

enum kind { SIMPLE, PIPE, AND, OR, NOT, SEQUENCE, BACKGROUND, IF, WHILE, UNTIL, FOR, GROUP, SUBSHELL };

/* From `fd` to a file, or to another descriptor where `mode` is -1. */
struct redirect { int fd, mode; char *target; struct redirect *next; };

/* Words keep their quotes until they are expanded. IF: left then right else other; FOR: words, the first being the variable. */
struct node { enum kind kind; struct node *left, *right, *other; struct words words; struct redirect *redirects; };

enum result { PARSED, INCOMPLETE, WRONG };
/* parse.c: *tree is NULL for an empty text. */
enum result parse(const char *text, struct node **tree);

/* expand.c */
void expand(const struct words *from, struct words *to);
/* One word without splitting and patterns. */
char *expand_one(const char *word);
extern struct words arguments; /* $0 $1 … */

/* run.c */
extern int last_status;
extern bool interactive;
int run(struct node *tree);
int run_text(const char *text);
/* What a command prints, without line ends at its end. */
char *output_of(const char *text);

/* jobs.c */
void start_jobs(void);
/* In the child: its process group, and the signals as a program expects them. */
void enter_group(int group, bool foreground);
/* Waits for a pipeline's processes. @returns the last one's status */
int wait_group(int group, int count, int last, const char *name);
void remember_job(int group, const char *name, bool stopped);
void report_jobs(void);
int builtin_jobs(char **argv);
int builtin_resume(char **argv, bool foreground);

/* variables.c */
void import_variables(void);
void set_variable(const char *name, u32 length, const char *value);
bool unset_variable(const char *name);
void export_variable(const char *name);
char **exported(void);
void list_variables(bool exported_only);

/* builtins.c: @returns whether `argv` named one; its status in `status` */
bool run_builtin(char **argv, int *status);
bool is_builtin(const char *name);

/* edit.c: @returns false at the end of input */
bool edit_line(const char *prompt, char **line);

#endif
