/** Paths that somebody holds: open files, working directories. They keep their inodes and follow renames. */
import type { MountTable } from './mounts.ts';
import type { ByteString, Entry, Inode, Path } from './types.ts';

/** Holds a path and its inode. */
export function pin(path: Path): void {
  path.inode.hold();
  path.mount.pins.set(path, (path.mount.pins.get(path) ?? 0) + 1);
}

export function unpin(path: Path): void {
  const count = path.mount.pins.get(path) ?? 0;
  if (count <= 1) path.mount.pins.delete(path);
  else path.mount.pins.set(path, count - 1);
  path.inode.drop();
}

/** The held entries called `name` in directory `dir`, ancestors of held paths included. */
function heldEntries(mounts: MountTable, dir: Inode, name: ByteString): Set<{ entry: Entry; root: Inode }> {
  const found = new Set<{ entry: Entry; root: Inode }>();
  for (const mount of mounts.all) {
    if (mount.fs !== dir.fs) continue;
    for (const path of mount.pins.keys()) {
      for (let entry = path.entry; entry !== undefined; entry = entry.parent) {
        const parent = entry.parent?.inode ?? mount.root;
        if (entry.name === name && parent === dir && !entry.deleted) found.add({ entry, root: mount.root });
      }
    }
  }
  return found;
}

/** The name is gone: what is held under it shows as deleted. */
export function entryRemoved(mounts: MountTable, dir: Inode, name: ByteString): void {
  for (const { entry } of heldEntries(mounts, dir, name)) entry.deleted = true;
}

/** A name moved from one directory to another of the same mount. */
export function entryMoved(
  mounts: MountTable,
  from: Path,
  name: ByteString,
  to: Path,
  toName: ByteString,
): void {
  const moved = heldEntries(mounts, from.inode, name);
  entryRemoved(mounts, to.inode, toName);
  for (const { entry } of moved) {
    entry.name = toName;
    entry.parent = to.entry;
  }
}

/**
 * The absolute path as seen from `root`.
 * @returns with "(unreachable)" before a path outside of `root`; `deleted` if the name is gone
 */
export function tellPath(path: Path, root: Path): { text: ByteString; deleted: boolean } {
  const names: ByteString[] = [];
  let at = path;
  let entry = at.entry;
  let deleted = false;
  for (;;) {
    const inode = entry?.inode ?? at.mount.root;
    if (at.mount === root.mount && inode === root.inode) return { text: `/${names.join('/')}`, deleted };
    if (entry !== undefined) {
      names.unshift(entry.name);
      deleted ||= entry.deleted;
      entry = entry.parent;
    } else if (at.mount.at === undefined) {
      const place = at.mount.nowhere ? '' : '(unreachable)';
      return { text: `${place}/${names.join('/')}`, deleted };
    } else {
      at = at.mount.at;
      entry = at.entry;
    }
  }
}
