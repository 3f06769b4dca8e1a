// `npm start -- OPTIONS`: boots the built-in guest kernel with its own user space, a scratch disk and a network; OPTIONS go to `domu run`.

import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, runDomu, runMain } from './workspace.mjs';

const options = process.argv.slice(2);
const SCRATCH_BYTES = 64 << 20;

/** An empty disk that keeps what is written to it; it takes no room until then. */
function scratchDisk() {
  const file = join(cacheDir, 'scratch.img');
  if (existsSync(file)) return file;
  mkdirSync(cacheDir, { recursive: true });
  const fd = openSync(file, 'wx');
  ftruncateSync(fd, SCRATCH_BYTES);
  closeSync(fd);
  return file;
}

const names = (option) => options.some((word) => word === option || word.startsWith(`${option}=`));

await runMain(async () => {
  const disk = names('--disk') ? [] : ['--disk', `format=raw,vdev=xvda,access=rw,target=${scratchDisk()}`];
  const quiet = names('--cmdline') || names('--kernel') ? [] : ['--cmdline', 'quiet'];
  // The network is the host's, which does not repeat itself.
  const repeats =
    options.includes('--clock=virtual') || options[options.indexOf('--clock') + 1] === 'virtual';
  const net = repeats || names('--net') || names('--vif') ? [] : ['--net', 'user'];
  await runDomu(['run', 'guest-kernel', ...disk, ...net, ...quiet, ...options]);
});
