# Files that the cases work on; runs once on each side, in the folder that is copied for every case.
seq 1 200 | awk '{ printf "%d,%s%d,%d,%.3f\n", $1, ($1 % 3 ? "north" : "south"), $1 * 7 % 13, $1 * 7919 % 1000, sqrt($1) }' > table.csv
awk 'BEGIN { s = 42; split("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu", w, " ");
  for (i = 0; i < 400; i++) { line = ""; for (j = 0; j < 7; j++) { s = (s * 1103515245 + 12345) % 2147483648; line = line w[int(s / 65536) % 12 + 1] " " } print line } }' > text
tr ' ' '\n' < text | sed '/^$/d' > words
awk 'BEGIN { for (i = 0; i < 4096; i++) printf "%c", (i * i + i / 16) % 255 + 1 }' > bytes
printf '{"name":"domu","tags":["xen","pv"],"n":[1,2.5,-3e2],"deep":{"a":{"b":null}},"ok":true}\n' > data.json
mkdir -p tree/src tree/doc
for n in 1 2 3 4 5 6; do sed -n "${n}0,${n}9p" text > "tree/src/part$n.txt"; done
cp table.csv tree/doc/
ln -s src/part1.txt tree/link
chmod 640 tree/doc/table.csv
cat > hello.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int argc, char **argv) {
  int values[50]; unsigned long long product = 1; double sum = 0;
  for (int i = 0; i < 50; i++) { values[i] = i * 7919 % 101; sum += sqrt(i) / (i + 1); }
  qsort(values, 50, sizeof values[0], compare);
  for (int i = 0; i < 50; i++) { printf("%d ", values[i]); product = product * 31 + values[i]; }
  printf("\n%llx %.17g %d %s\n", product, sum, argc, argc > 1 ? argv[1] : "none");
  return (int)(product % 100);
}
C
find . -exec touch -h -d '2020-02-03 04:05:06.789 UTC' {} +
