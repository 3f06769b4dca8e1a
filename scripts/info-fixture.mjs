// What `domu info` is tried on, as JSON on stdout: { grub, grub64, grubPvh, linux }, or { missing } with the reason why there
// is none. `linux` is Debian's i386 kernel, of 52 MB: null unless it is in the cache or DOMU_INFO=all asks for it.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianFiles, run } from './debian.mjs';
import { defaultKernel } from './default-guest.mjs';
import { cacheDir, UserError } from './workspace.mjs';

const linuxCache = 'linux-image-686-pae';

/** Debian's meta package names the package of its present kernel. */
function fetchLinux() {
  const { stdout } = run('apt-cache', ['depends', '--important', `${linuxCache}:i386`]);
  const [, name] = /Depends: (linux-image-\S+)/.exec(stdout ?? '') ?? [];
  if (!name) throw new UserError('apt knows no linux-image-686-pae:i386 (dpkg --add-architecture i386?)');
  const version = name.replace(/^linux-image-/, '').replace(/:i386$/, '');
  const options = { hint: "Debian's i386 kernel", architecture: 'i386', folder: linuxCache };
  debianFiles([`${name.replace(/:i386$/, '')}:i386`], `boot/vmlinuz-${version}`, options);
}

function linux() {
  if (process.env.DOMU_INFO === 'all') fetchLinux();
  try {
    const boot = join(cacheDir, linuxCache, 'boot');
    const name = readdirSync(boot).find((file) => file.startsWith('vmlinuz-'));
    return name ? join(boot, name) : null;
  } catch {
    return null;
  }
}

function fixture() {
  try {
    const grub = defaultKernel();
    const beside = (name) => join(dirname(grub), name);
    return {
      grub,
      grub64: beside('grub-x86_64-xen.bin'),
      grubPvh: beside('grub-i386-xen_pvh.bin'),
      linux: linux(),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { missing: error.message };
  }
}

console.log(JSON.stringify(fixture()));
