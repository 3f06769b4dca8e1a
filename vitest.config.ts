import { defineConfig } from 'vitest/config';

// Tests run from TypeScript sources, without a build: every package exports them under this condition.
const conditions = ['@domu/source', 'module', 'node', 'import', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: [
      'packages/**/src/**/*.test.ts',
      'packages/*/test/**/*.test.ts',
      'apps/**/src/**/*.test.ts',
      'apps/**/test/**/*.test.ts',
      'tools/*.test.mjs',
      'examples/*/*.test.ts',
    ],
    benchmark: { include: ['packages/*/bench/**/*.bench.ts', 'apps/*/bench/**/*.bench.ts'] },
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
