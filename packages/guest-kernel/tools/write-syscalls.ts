/** Writes docs/SYSCALLS.md. */
import { writeFileSync } from 'node:fs';
import { syscallDocument } from './syscalls.ts';

writeFileSync(new URL('../../../docs/SYSCALLS.md', import.meta.url), syscallDocument());
