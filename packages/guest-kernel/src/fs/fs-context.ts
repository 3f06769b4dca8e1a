/** A process's place in the tree: root, working directory and umask. Shared by threads, copied by fork. */
import { pin, unpin } from './pins.ts';
import type { Caller, Path } from './types.ts';
import type { Vfs } from './vfs.ts';

export class FsContext {
  umask: number;
  #root: Path;
  #cwd: Path;
  readonly #vfs: Vfs;

  constructor(vfs: Vfs, root: Path, cwd: Path, umask = 0o022) {
    this.#vfs = vfs;
    this.umask = umask;
    this.#root = root;
    this.#cwd = cwd;
    pin(root);
    pin(cwd);
  }

  get vfs(): Vfs {
    return this.#vfs;
  }

  get root(): Path {
    return this.#root;
  }

  set root(path: Path) {
    pin(path);
    unpin(this.#root);
    this.#root = path;
  }

  get cwd(): Path {
    return this.#cwd;
  }

  set cwd(path: Path) {
    pin(path);
    unpin(this.#cwd);
    this.#cwd = path;
  }

  /** For fork without CLONE_FS. */
  copy(): FsContext {
    return new FsContext(this.#vfs, this.#root, this.#cwd, this.umask);
  }

  /** The last process that used it is gone. */
  release(): void {
    unpin(this.#root);
    unpin(this.#cwd);
  }
}

/** Who walks, and from where. */
export interface Walker {
  readonly caller: Caller;
  readonly fs: FsContext;
}
