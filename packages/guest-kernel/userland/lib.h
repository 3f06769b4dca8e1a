/* What the programs of the box share: text, memory, output. */
#ifndef LIB_H
#define LIB_H
#include "sys.h"

typedef __builtin_va_list va_list;
#define va_start __builtin_va_start
#define va_arg __builtin_va_arg
#define va_end __builtin_va_end
#define count_of(array) ((int)(sizeof(array) / sizeof *(array)))

extern char **environment;

/* text.c */
u32 strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, u32 n);
/* The first `c` in a text, or NULL; upto: or the end of the text. */
char *strchr(const char *s, int c);
char *upto(const char *s, int c);
char *strstr(const char *s, const char *part);
void *memcpy(void *to, const void *from, u32 n);
void *memmove(void *to, const void *from, u32 n);
void *memset(void *to, int c, u32 n);
/* The part of a path behind the last slash. */
const char *base_name(const char *path);
/* Whether `s` is a decimal number; its value in `value`. */
bool number(const char *s, int *value);
/* Shell patterns: * ? [a-z] [!a-z] and \ before a literal. */
bool matches(const char *pattern, const char *s);
u64 divide(u64 n, u32 by, u32 *rest);
bool starts_with(const char *s, const char *prefix);

/* memory.c: what is allocated stays until the program ends, or until it is released, all together, down to a mark. */
void *allocate(u32 bytes);
u32 mark(void);
void release(u32 to);
char *duplicate(const char *s);
/* Both parts with a slash in between, if none is there. */
char *join_path(const char *directory, const char *name);

/* A list of words that grows; NULL behind the last. */
struct words { char **at; int count, room; };
void add_word(struct words *list, char *word);
void sort_words(struct words *list, int from);

/* output.c: standard output is collected and goes out with flush(), at the end of the program, or when much has come. */
void put(const char *s);
void put_bytes(const void *from, u32 n);
/* %s %c %d %u %x %o %b (64-bit unsigned), with width, '-' and '0'. */
void print(const char *format, ...);
void flush(void);
/* To standard error: the applet's name, the message, a line end. */
void complain(const char *format, ...);
/* Complains about a failed system call. @returns 1 */
int failed(const char *what, int result);
extern const char *applet_name;

/* input.c: lines and whole files. */
struct reader { int fd; u32 at, end; char buffer[4096]; };
/* Reads a line without its end, of any length. @returns false at the end of the file */
bool read_line(struct reader *r, char **line);
/* The whole of a small file, with a 0 behind it; NULL if it cannot be read. */
char *read_file(const char *path);
/* Calls `each` with an open file for every argument, or with standard input. @returns 1 if a file could not be read, else what `each` returned */
int for_files(char **paths, int (*each)(int fd, const char *name));
/* Names in a directory, sorted, without . and .. @returns -errno or 0 */
int list_directory(const char *path, struct words *names);

/* box.c */
int run_applet(int argc, char **argv);
typedef int applet(int argc, char **argv);
applet *find_applet(const char *name);
/* Letters of options (-al) before the other arguments; NULL for an option that is not among `known`. Moves *argv past them. */
const char *options(char ***argv, const char *known);
const char *variable(const char *name);

#endif
