/* Binary trees from an allocator with free lists: built, counted and freed by recursion. */
#include "../bench.h"

enum { HEAP_BYTES = 4 << 20, CLASSES = 8, GRAIN = 16 };
struct tree {
  struct tree *left, *right;
  u32 value;
};
struct block {
  struct block *next;
};

static u8 heap[HEAP_BYTES] __attribute__((aligned(16)));
static u32 heap_used;
static struct block *free_blocks[CLASSES];

static APART void *allocate(size bytes) {
  u32 class = (bytes + GRAIN - 1) / GRAIN;
  struct block *block = free_blocks[class];
  if (block) {
    free_blocks[class] = block->next;
    return block;
  }
  void *fresh = heap + heap_used;
  heap_used += class * GRAIN;
  return fresh;
}

static APART void release(void *memory, size bytes) {
  struct block *block = memory;
  u32 class = (bytes + GRAIN - 1) / GRAIN;
  block->next = free_blocks[class];
  free_blocks[class] = block;
}

static struct tree *build(u32 depth) {
  struct tree *tree = allocate(sizeof *tree);
  tree->value = next_random() >> 16;
  tree->left = depth > 0 ? build(depth - 1) : 0;
  tree->right = depth > 0 ? build(depth - 1) : 0;
  return tree;
}

static u32 sum_of(const struct tree *tree) {
  return tree ? tree->value + 3 * sum_of(tree->left) + 5 * sum_of(tree->right) : 1;
}

static void destroy(struct tree *tree) {
  if (!tree) return;
  destroy(tree->left);
  destroy(tree->right);
  release(tree, sizeof *tree);
}

u32 run_tree(u32 times) {
  u32 sum = 0;
  struct tree *kept = build(14);
  while (times-- > 0)
    for (u32 depth = 4; depth <= 14; depth += 2) {
      struct tree *tree = build(depth);
      sum = sum * 31 + sum_of(tree);
      destroy(tree);
    }
  return sum + sum_of(kept);
}
