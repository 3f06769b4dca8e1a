// `npm start -- OPTIONS`: boots the default guest, with OPTIONS handed on to `domu run`.

import { defaultDisk, defaultKernel } from './default-guest.mjs';
import { runDomu, runMain } from './workspace.mjs';

const options = process.argv.slice(2);
const hasDisk = options.some((option) => option === '--disk' || option.startsWith('--disk='));

await runMain(async () => {
  const kernel = await defaultKernel();
  const disk = hasDisk ? undefined : defaultDisk();
  await runDomu([
    'run',
    kernel,
    ...(disk ? ['--disk', `format=raw,vdev=xvda,access=rw,target=${disk}`] : []),
    ...options,
  ]);
});
