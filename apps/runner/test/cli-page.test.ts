import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliPage } from '../tools/cli-page.ts';

test('docs/CLI.md says what the commands say; tools/write-cli-page.ts writes it', () => {
  const text = readFileSync(new URL('../../../docs/CLI.md', import.meta.url), 'utf8');
  expect(text).toBe(cliPage());
});
