// A Debian tree for i386 of the packages that are named, as JSON on stdout: { tree, image }, or { missing } with the reason.

import { debianTree } from './debian-tree.mjs';
import { UserError } from './workspace.mjs';

function fixture() {
  try {
    return debianTree(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { missing: error.message };
  }
}

console.log(JSON.stringify(fixture()));
