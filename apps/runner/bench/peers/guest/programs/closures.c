/* An interpreter without a switch: an expression is a tree of nodes, each with the function that evaluates it. */
#include "../bench.h"

struct expression {
  u32 (*evaluate)(const struct expression *, u32 *variables);
  const struct expression *a, *b, *c;
  u32 value;
};
typedef const struct expression *E;

static u32 eval(E e, u32 *v) { return e->evaluate(e, v); }
static u32 constant(E e, u32 *v) { return (void)v, e->value; }
static u32 variable(E e, u32 *v) { return v[e->value]; }
static u32 add(E e, u32 *v) { return eval(e->a, v) + eval(e->b, v); }
static u32 multiply(E e, u32 *v) { return eval(e->a, v) * eval(e->b, v); }
static u32 exclusive_or(E e, u32 *v) { return eval(e->a, v) ^ eval(e->b, v); }
static u32 shift(E e, u32 *v) { return eval(e->a, v) >> (eval(e->b, v) & 31); }
static u32 below(E e, u32 *v) { return eval(e->a, v) < eval(e->b, v); }
static u32 choose(E e, u32 *v) { return eval(e->a, v) ? eval(e->b, v) : eval(e->c, v); }
static u32 assign(E e, u32 *v) { return v[e->value] = eval(e->a, v); }
static u32 sequence(E e, u32 *v) { return eval(e->a, v), eval(e->b, v); }
static u32 repeat(E e, u32 *v) {
  u32 last = 0;
  while (eval(e->a, v))
    last = eval(e->b, v);
  return last;
}

static struct expression pool[64];
static u32 used;
static E make(u32 (*evaluate)(E, u32 *), E a, E b, E c, u32 value) {
  pool[used] = (struct expression){evaluate, a, b, c, value};
  return &pool[used++];
}
static E num(u32 value) { return make(constant, 0, 0, 0, value); }
static E var(u32 index) { return make(variable, 0, 0, 0, index); }
static E two(u32 (*evaluate)(E, u32 *), E a, E b) { return make(evaluate, a, b, 0, 0); }
static E set(u32 index, E a) { return make(assign, a, 0, 0, index); }

/* i = 0; while (i < n) { acc = (acc * 3 + i) ^ (acc >> 5); acc < 2^30 ? (acc += x) : (x ^= i); i++; } acc */
u32 run_closures(u32 times) {
  enum { I, N, ACC, X };
  E update = set(ACC, two(exclusive_or, two(add, two(multiply, var(ACC), num(3)), var(I)),
                          two(shift, var(ACC), num(5))));
  E test = make(choose, two(below, var(ACC), num(1u << 30)), set(ACC, two(add, var(ACC), var(X))),
                set(X, two(exclusive_or, var(X), var(I))), 0);
  E step = set(I, two(add, var(I), num(1)));
  E body = two(sequence, update, two(sequence, test, step));
  E whole = two(sequence, set(I, num(0)), two(sequence, two(repeat, two(below, var(I), var(N)), body), var(ACC)));
  u32 variables[] = {0, 1000, 1, 7}, sum = 0;
  while (times-- > 0)
    sum = sum * 31 + eval(whole, variables);
  return sum;
}
