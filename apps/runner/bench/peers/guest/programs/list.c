#include "../bench.h"

u32 run_list(u32 times) {
  enum { COUNT = 100000 };
  static struct node {
    struct node *next;
    int value;
  } nodes[COUNT];
  u32 sum = 0;
  for (int i = 0; i < COUNT; i++) {
    nodes[i].value = i;
    nodes[i].next = &nodes[(i * 7919u + 1) % COUNT];
  }
  while (times-- > 0) {
    struct node *p = nodes;
    for (int i = 0; i < COUNT; i++) {
      sum += p->value;
      p = p->next;
    }
  }
  return sum;
}
