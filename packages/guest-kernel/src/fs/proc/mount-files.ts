/** /proc/mounts and mountinfo. */
import { MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RELATIME } from '../../abi/mount.ts';
import { majorOf, minorOf } from '../../abi/stat.ts';
import { checkWritable } from '../mounts.ts';
import { tellPath } from '../pins.ts';
import type { ByteString, Mount, Path } from '../types.ts';
import type { ProcessView } from './kernel-view.ts';

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [MS_NOSUID, 'nosuid'],
  [MS_NODEV, 'nodev'],
  [MS_NOEXEC, 'noexec'],
  [MS_NOATIME, 'noatime'],
  [MS_NODIRATIME, 'nodiratime'],
  [MS_RELATIME, 'relatime'],
];

/** Spaces and such as \040. */
function octal(text: ByteString): ByteString {
  return text.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function flagsOf(mount: Mount): string {
  const access = checkWritable(mount) < 0 ? 'ro' : 'rw';
  return [access, ...FLAG_NAMES.filter(([flag]) => (mount.flags & flag) !== 0).map(([, name]) => name)].join(
    ',',
  );
}

/** Mounts that the process can see, with where. */
function visible(of: ProcessView): { mount: Mount & { readonly id: number }; at: ByteString }[] {
  if (of.fs === undefined) return [];
  const { root, vfs } = of.fs;
  const found: { mount: Mount & { readonly id: number }; at: ByteString }[] = [];
  for (const mount of vfs.mounts.all) {
    const path: Path = { mount, inode: mount.root, entry: undefined };
    const { text } = tellPath(path, root);
    if (!text.startsWith('(unreachable)')) found.push({ mount, at: text });
  }
  return found;
}

export function mountLines(of: ProcessView): string {
  return visible(of)
    .map(({ mount, at }) => {
      const options = [flagsOf(mount), mount.fs.options].filter((part) => part !== '').join(',');
      return `${octal(mount.source)} ${octal(at)} ${mount.fs.type} ${options} 0 0\n`;
    })
    .join('');
}

export function mountinfoLines(of: ProcessView): string {
  const mounts = visible(of);
  return mounts
    .map(({ mount, at }) => {
      const parent = mounts.find(({ mount: other }) => other === mount.at?.mount)?.mount.id ?? 1;
      const { fs } = mount;
      const dev = `${majorOf(fs.dev)}:${minorOf(fs.dev)}`;
      const options = ['rw', fs.options].filter((part) => part !== '').join(',');
      const source = `${fs.type} ${octal(mount.source)} ${options}`;
      return `${mount.id} ${parent} ${dev} / ${octal(at)} ${flagsOf(mount)} - ${source}\n`;
    })
    .join('');
}
