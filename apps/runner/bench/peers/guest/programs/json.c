/* Parsing JSON into a tree by recursive descent, and walking the tree. */
#include "../bench.h"

enum { BYTES = 1 << 18, NODES = 1 << 16 };
enum kind { NUMBER, STRING, LITERAL, ARRAY, OBJECT };
struct node {
  enum kind kind;
  u32 value;
  const char *key;
  struct node *child, *next;
};

static char text[BYTES];
static struct node nodes[NODES];
static u32 used;
static const char *at;

static char *put(char *to, const char *from) {
  while (*from)
    *to++ = *from++;
  return to;
}

static char *put_number(char *to, u32 value) {
  char digits[10];
  u32 count = 0;
  do digits[count++] = '0' + value % 10;
  while (value /= 10);
  while (count > 0)
    *to++ = digits[--count];
  return to;
}

static void write_text(void) {
  char *to = put(text, "[");
  for (u32 id = 0; to < text + BYTES - 512; id++) {
    if (id > 0) to = put(to, ",\n  ");
    to = put_number(put(to, "{\"id\": "), id);
    to = put_number(put(to, ", \"name\": \"user "), next_random() >> 20);
    to = put(to, "\", \"tags\": [\"a\", \"long \\\"quoted\\\" tag\", \"c\"], \"active\": ");
    to = put(to, next_random() >> 31 ? "true" : "false");
    to = put_number(put(to, ", \"score\": -"), next_random() >> 8);
    to = put_number(put(to, ".5e1, \"at\": {\"x\": "), next_random() >> 18);
    to = put_number(put(to, ", \"y\": "), next_random() >> 18);
    to = put(to, "}, \"none\": null}");
  }
  *put(to, "]") = 0;
}

static void skip_space(void) {
  while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
    at++;
}

/* @returns a hash of its characters */
static u32 parse_string(void) {
  u32 value = 0;
  for (at++; *at != '"'; at++) {
    if (*at == '\\') at++;
    value = value * 31 + (u8)*at;
  }
  at++;
  return value;
}

static u32 parse_number(void) {
  u32 value = 0, negative = *at == '-';
  if (negative) at++;
  for (; *at >= '0' && *at <= '9'; at++)
    value = value * 10 + *at - '0';
  if (*at == '.')
    for (at++; *at >= '0' && *at <= '9'; at++)
      value = value * 10 + *at - '0';
  if (*at == 'e')
    for (at++; *at >= '0' && *at <= '9'; at++)
      value += *at;
  return negative ? -value : value;
}

static struct node *parse(void);

static void parse_members(struct node *parent, char close) {
  struct node **link = &parent->child;
  at++;
  for (skip_space(); *at != close; skip_space()) {
    const char *key = at;
    if (parent->kind == OBJECT) {
      parse_string();
      skip_space();
      at++;
    }
    *link = parse();
    (*link)->key = key;
    link = &(*link)->next;
    skip_space();
    if (*at == ',') at++;
  }
  at++;
}

static struct node *parse(void) {
  struct node *node = &nodes[used++];
  node->child = node->next = 0;
  skip_space();
  switch (*at) {
  case '{': node->kind = OBJECT, parse_members(node, '}'); break;
  case '[': node->kind = ARRAY, parse_members(node, ']'); break;
  case '"': node->kind = STRING, node->value = parse_string(); break;
  case 't':
  case 'f':
  case 'n':
    node->kind = LITERAL, node->value = *at;
    while (*at >= 'a' && *at <= 'z') at++;
    break;
  default: node->kind = NUMBER, node->value = parse_number();
  }
  return node;
}

static u32 sum_of(const struct node *node) {
  u32 sum = node->kind;
  if (node->kind < ARRAY) return sum + node->value;
  for (const struct node *child = node->child; child; child = child->next)
    sum = sum * 33 + sum_of(child) + child->key[1];
  return sum;
}

u32 run_json(u32 times) {
  write_text();
  u32 sum = 0;
  while (times-- > 0) {
    used = 0;
    at = text;
    sum = sum * 31 + sum_of(parse());
  }
  return sum + used;
}
