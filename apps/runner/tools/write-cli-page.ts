/** Writes docs/CLI.md. */
import { writeFileSync } from 'node:fs';
import { cliPage } from './cli-page.ts';

writeFileSync(new URL('../../../docs/CLI.md', import.meta.url), cliPage());
