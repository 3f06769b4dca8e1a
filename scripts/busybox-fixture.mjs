// A static busybox for i386, as JSON on stdout: { busybox }, or { missing } with the reason why there is none.

import { join } from 'node:path';
import { debianFiles } from './debian.mjs';
import { UserError } from './workspace.mjs';

function fixture() {
  try {
    const options = { hint: 'a static busybox for i386', architecture: 'i386' };
    return { busybox: join(debianFiles(['busybox-static:i386'], 'bin/busybox', options), 'bin/busybox') };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { missing: error.message };
  }
}

console.log(JSON.stringify(fixture()));
