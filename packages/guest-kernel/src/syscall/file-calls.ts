/** All rows about files, by name. */

import { attributeCalls } from './attributes.ts';
import { directoryCalls } from './directories.ts';
import { extendedAttributeCalls } from './extended-attributes.ts';
import type { FileCalls } from './file-task.ts';
import { fileCalls } from './files.ts';
import { inotifyCalls } from './inotify.ts';
import { lockingCalls } from './locking.ts';
import { mountingCalls } from './mounting.ts';
import { movingCalls } from './moving.ts';
import { openingCalls } from './opening.ts';
import { pollingCalls } from './polling.ts';
import { statCalls } from './stat.ts';
import { treeCalls } from './tree.ts';

export const allFileCalls: FileCalls = {
  ...fileCalls,
  ...openingCalls,
  ...lockingCalls,
  ...statCalls,
  ...treeCalls,
  ...attributeCalls,
  ...directoryCalls,
  ...pollingCalls,
  ...movingCalls,
  ...mountingCalls,
  ...inotifyCalls,
  ...extendedAttributeCalls,
};
