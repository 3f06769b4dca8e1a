import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as cpu from './index.ts';

test('the example of the README computes what it says', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const script = example
    .replace(/import \{(.*)\} from '@domu\/x86-cpu';/, 'const {$1} = exported;')
    .replace(/: (number|string)/g, '')
    .replace('!);', ');')
    .replace(/\) onInt80\(/, ') return onInt80(');
  expect(new Function('exported', script)(cpu)).toBe('int 0x80 with eax = 42');
});
