#!/usr/bin/env node
// `npx domu …` and `pnpm domu …` in a checkout: the command, built from the sources as they are now.

import { runDomu, runMain } from './workspace.mjs';

await runMain(() => runDomu(process.argv.slice(2)));
