/** Addresses of Unix sockets: abstract names, and sockets behind inodes. Source: unix(7). */

import { fromByteString, toByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { AF_UNIX } from '../abi/socket.ts';
import { S_IFMT, S_IFSOCK } from '../abi/stat.ts';
import { checkAccess, MAY_WRITE } from '../fs/permissions.ts';
import { makeNodeInode } from '../fs/tree-changes.ts';
import type { ByteString, Inode } from '../fs/types.ts';
import { Walk } from '../fs/walk.ts';
import type { Op } from '../task/wait.ts';
import type { SocketUser } from './socket.ts';
import type { UnixSocket } from './unix-socket.ts';

const PATH_OFFSET = 2;
const SUN_PATH_BYTES = 108;

/** sun_path: a path, an abstract name (with its leading NUL), or nothing. */
export function parseUnix(bytes: Uint8Array): ByteString | undefined {
  if (bytes.length < PATH_OFFSET || bytes.length > PATH_OFFSET + SUN_PATH_BYTES) return undefined;
  if ((bytes[0]! | (bytes[1]! << 8)) !== AF_UNIX) return undefined;
  const name = toByteString(bytes.subarray(PATH_OFFSET));
  return name.startsWith('\0') ? name : name.replace(/\0.*$/s, '');
}

/** struct sockaddr_un as getsockname and others tell it. */
export function encodeUnix(name: ByteString): Uint8Array {
  const path = name === '' || name.startsWith('\0') ? name : `${name}\0`;
  return Uint8Array.of(AF_UNIX, 0, ...fromByteString(path));
}

/** Who is bound where. */
export class UnixNames {
  readonly #abstract: Map<ByteString, UnixSocket> = new Map();
  readonly #inodes: WeakMap<Inode, UnixSocket> = new WeakMap();
  #nextAuto = 0;

  /** @returns what to call when the socket goes, or -EADDRINUSE and what making a node may fail with */
  *bind(name: ByteString, socket: UnixSocket, user: SocketUser): Op<(() => void) | number> {
    if (name.startsWith('\0')) return this.#bindAbstract(name, socket);
    const mode = S_IFSOCK | 0o777;
    const start = name.startsWith('/') ? user.fs.root : user.fs.cwd;
    const inode = yield* makeNodeInode(user, start, name, mode, 0);
    if (typeof inode === 'number') return inode === -E.EXIST ? -E.ADDRINUSE : inode;
    inode.hold();
    this.#inodes.set(inode, socket);
    return () => {
      this.#inodes.delete(inode);
      inode.drop();
    };
  }

  /** Autobind: a free abstract name of five digits. */
  bindAuto(socket: UnixSocket): readonly [name: ByteString, release: () => void] {
    for (;;) {
      const name = `\0${(this.#nextAuto++ & 0xfffff).toString(16).padStart(5, '0')}`;
      const release = this.#bindAbstract(name, socket);
      if (typeof release !== 'number') return [name, release];
    }
  }

  /** Errors: -ECONNREFUSED nobody is bound there; -EACCES, -ENOENT and what a walk may fail with */
  *find(name: ByteString, user: SocketUser): Op<UnixSocket | number> {
    if (name.startsWith('\0')) return this.#abstract.get(name) ?? -E.CONNREFUSED;
    const start = name.startsWith('/') ? user.fs.root : user.fs.cwd;
    const path = yield* new Walk(user).find(start, name, true);
    if (typeof path === 'number') return path;
    if ((path.inode.mode & S_IFMT) !== S_IFSOCK) return -E.CONNREFUSED;
    const denied = checkAccess(path.inode, user.caller.cred, MAY_WRITE);
    if (denied < 0) return denied;
    return this.#inodes.get(path.inode) ?? -E.CONNREFUSED;
  }

  #bindAbstract(name: ByteString, socket: UnixSocket): (() => void) | number {
    if (this.#abstract.has(name)) return -E.ADDRINUSE;
    this.#abstract.set(name, socket);
    return () => void this.#abstract.delete(name);
  }
}
