/** The tree of mounts. */
import { E } from '../abi/errno.ts';
import type { FileSystem, Inode, Mount, Path } from './types.ts';

interface MountNode extends Mount {
  at: Path | undefined;
  /** Numbers of /proc/PID/mountinfo. */
  readonly id: number;
}

export class MountTable {
  readonly #mounts: MountNode[] = [];
  /** Mounts by the inode that they cover. */
  readonly #covering = new Map<Inode, MountNode[]>();
  #nextId = 15;

  /** In the order of mounting, the root first. */
  get all(): readonly (Mount & { readonly id: number })[] {
    return this.#mounts;
  }

  /** @param at undefined for the root of the tree. @param root other than the file system's own for a bind mount */
  add(fs: FileSystem, at: Path | undefined, source: string, flags: number, root: Inode = fs.root): Mount {
    const mount: MountNode = { fs, root, at, source, flags, pins: new Map(), id: this.#nextId++ };
    root.hold();
    this.#mounts.push(mount);
    this.#cover(mount);
    return mount;
  }

  /** Takes a mount out of the tree; whether it is busy is for the caller to say. */
  remove(mount: Mount): void {
    const index = this.#mounts.indexOf(mount as MountNode);
    if (index < 0) return;
    this.#mounts.splice(index, 1);
    mount.root.drop();
    this.#uncover(mount);
  }

  /** MS_MOVE. @param isRoot the path that was given is the mount's root. Errors: -EINVAL, -ELOOP into itself */
  move(mount: Mount, isRoot: boolean, to: Path): number {
    if (!isRoot || mount.at === undefined) return -E.INVAL;
    for (let above: Mount | undefined = to.mount; above !== undefined; above = above.at?.mount) {
      if (above === mount) return -E.LOOP;
    }
    this.setPlace(mount, to);
    return 0;
  }

  /** Puts a mount somewhere else. @param to undefined: the root of the tree */
  setPlace(mount: Mount, to: Path | undefined): void {
    const node = this.#mounts.find((candidate) => candidate === mount);
    if (node === undefined) return;
    this.#uncover(node);
    node.at = to;
    this.#cover(node);
  }

  #cover(mount: MountNode): void {
    if (mount.at === undefined) return;
    mount.at.inode.hold();
    const here = this.#covering.get(mount.at.inode);
    if (here === undefined) this.#covering.set(mount.at.inode, [mount]);
    else here.push(mount);
  }

  #uncover(mount: Mount): void {
    if (mount.at === undefined) return;
    const covered = mount.at.inode;
    const left = (this.#covering.get(covered) ?? []).filter((candidate) => candidate !== mount);
    if (left.length === 0) this.#covering.delete(covered);
    else this.#covering.set(covered, left);
    covered.drop();
  }

  /** What is seen at `path`: the root of the topmost mount on it, or itself. */
  descend(path: Path): Path {
    let at = path;
    for (let here = this.#on(at); here !== undefined; here = this.#on(at)) {
      at = { mount: here, inode: here.root, entry: undefined };
    }
    return at;
  }

  isMountPoint(path: Path): boolean {
    return this.#on(path) !== undefined;
  }

  /** Something is mounted on this inode, in whatever mount it is seen. */
  covers(inode: Inode): boolean {
    return this.#covering.has(inode);
  }

  isUsed(fs: FileSystem): boolean {
    return this.#mounts.some((mount) => mount.fs === fs);
  }

  /** Mounts upon this one. */
  hasChildren(mount: Mount): boolean {
    return this.#mounts.some((child) => child.at?.mount === mount);
  }

  #on(path: Path): MountNode | undefined {
    if (this.#covering.size === 0) return undefined;
    return this.#covering.get(path.inode)?.findLast((mount) => mount.at?.mount === path.mount);
  }
}

/** The mount or its file system takes no writes. @returns 0 or -EROFS */
export function checkWritable(mount: Mount): number {
  return (mount.flags & 1) !== 0 || mount.fs.readonly ? -E.ROFS : 0;
}
