/* Planets around a sun, in SSE2 doubles. */
#include "../bench.h"

enum { BODIES = 5 };
static struct body {
  double x, y, z, vx, vy, vz, mass;
} bodies[BODIES];

/* SQRTSD */
static double root(double value) { return __builtin_sqrt(value); }

static APART void advance(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      struct body *a = &bodies[i], *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double squared = dx * dx + dy * dy + dz * dz;
      double pull = dt / (squared * root(squared));
      a->vx -= dx * b->mass * pull, a->vy -= dy * b->mass * pull, a->vz -= dz * b->mass * pull;
      b->vx += dx * a->mass * pull, b->vy += dy * a->mass * pull, b->vz += dz * a->mass * pull;
    }
  for (int i = 0; i < BODIES; i++) {
    struct body *a = &bodies[i];
    a->x += dt * a->vx, a->y += dt * a->vy, a->z += dt * a->vz;
  }
}

u32 run_nbody(u32 times) {
  for (int i = 0; i < BODIES; i++) {
    double far = i * 4.1, tilt = i * 0.3 - 0.4;
    bodies[i] = (struct body){far, far * tilt, 0.25 * i, 0.1 * i, 1.1 / (i + 1), tilt * 0.01, i == 0 ? 39.5 : 0.03 / i};
  }
  while (times-- > 0)
    advance(0.001);
  return hash(0, bodies, sizeof bodies);
}
