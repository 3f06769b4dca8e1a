// `npm start -- OPTIONS`: boots the default guest, with OPTIONS handed on to `domu run`.

import { defaultDisk, defaultKernel } from './default-guest.mjs';
import { runDomu, runMain, UserError } from './workspace.mjs';

const options = process.argv.slice(2);
const hasDisk = options.some((option) => option === '--disk' || option.startsWith('--disk='));

/** GRUB boots without a disk, too. */
function diskArguments() {
  if (hasDisk) return [];
  try {
    return ['--disk', `format=raw,vdev=xvda,access=rw,target=${defaultDisk()}`];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`domu: booting without a disk: ${error.message}\n`);
    return [];
  }
}

function kernelOrHint() {
  try {
    return defaultKernel();
  } catch (error) {
    if (error instanceof UserError) error.message += '; to boot a kernel of your own: npx domu run KERNEL';
    throw error;
  }
}

await runMain(async () => {
  const kernel = kernelOrHint();
  await runDomu(['run', kernel, ...diskArguments(), ...options]);
});
