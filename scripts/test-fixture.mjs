// What the end-to-end tests boot, as JSON on stdout: `node scripts/test-fixture.mjs DISK` makes a disk image and answers
// { kernel, helloText }, or { missing } with the reason why there is none.

import { defaultKernel, helloText, makeDisk } from './default-guest.mjs';
import { UserError } from './workspace.mjs';

function fixture(disk) {
  try {
    const kernel = defaultKernel();
    makeDisk(disk);
    return { kernel, helloText };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { missing: error.message };
  }
}

console.log(JSON.stringify(fixture(process.argv[2])));
