/** Writes docs/SUPPORT.md. */
import { writeFileSync } from 'node:fs';
import { supportDocument } from './support.ts';

writeFileSync(new URL('../../../docs/SUPPORT.md', import.meta.url), supportDocument());
