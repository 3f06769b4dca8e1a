/** What the three kinds of System V IPC have in common: numbers, keys, owners. Source: linux ipc/util.c. */
import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_PRIVATE,
  IPC_SLOTS,
  type IpcPermission,
  type IpcSettings,
} from '../abi/ipc.ts';
import { capable } from '../fs/permissions.ts';
import type { Credentials } from '../fs/types.ts';

const MAX_SEQ = 65_535;

/** What every object has. */
export abstract class IpcObject implements IpcPermission {
  /** IPC_PRIVATE when it cannot be found by a key. */
  key: number;
  readonly id: number;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  /** Permissions, nine bits. */
  permissions: number;
  ctime: bigint;
  /** It has gone: whoever waits for it gives up. */
  removed = false;

  constructor({ key, id, cred, permissions, now }: IpcBirth) {
    this.key = key;
    this.id = id;
    this.uid = cred.euid;
    this.gid = cred.egid;
    this.cuid = cred.euid;
    this.cgid = cred.egid;
    this.permissions = permissions;
    this.ctime = now;
  }

  get mode(): number {
    return this.permissions;
  }

  get seq(): number {
    return Math.floor(this.id / IPC_SLOTS);
  }

  /** @param wanted permission bits, of any of the three classes. @returns 0 or -EACCES */
  checkAccess(cred: Credentials, wanted: number): number {
    if (capable(cred, CAP_IPC_OWNER)) return 0;
    const asked = ((wanted >> 6) | (wanted >> 3) | wanted) & 7;
    const isMember = (gid: number) => cred.egid === gid || cred.groups.includes(gid);
    let granted = this.permissions;
    if (cred.euid === this.uid || cred.euid === this.cuid) granted >>= 6;
    else if (isMember(this.gid) || isMember(this.cgid)) granted >>= 3;
    return (asked & ~granted) === 0 ? 0 : -E.ACCES;
  }

  /** May `cred` change or remove it? @returns 0 or -EPERM */
  checkOwner(cred: Credentials): number {
    const isOwner = cred.euid === this.uid || cred.euid === this.cuid;
    return isOwner || capable(cred, CAP_SYS_ADMIN) ? 0 : -E.PERM;
  }

  /** IPC_SET. @returns 0, or -EINVAL for users that there cannot be */
  change({ uid, gid, mode }: IpcSettings, now: bigint): number {
    if (uid === 0xffff_ffff || gid === 0xffff_ffff) return -E.INVAL;
    this.uid = uid;
    this.gid = gid;
    this.permissions = mode & 0o777;
    this.ctime = now;
    return 0;
  }
}

/** What an object is made with. */
export interface IpcBirth {
  readonly key: number;
  readonly id: number;
  readonly cred: Credentials;
  readonly permissions: number;
  /** Nanoseconds since 1970. */
  readonly now: bigint;
}

/** What `get` asks for. */
export interface IpcRequest<T> {
  readonly key: number;
  readonly flags: number;
  readonly cred: Credentials;
  readonly now: bigint;
  /** More objects than these are refused with -ENOSPC. */
  readonly max: number;
  /** @returns the new object, or a negative errno */
  make(birth: IpcBirth): T | number;
  /** Looks at one that was found. @returns 0 or a negative errno */
  accept(object: T): number;
}

/** The objects of one kind. */
export class IpcIds<T extends IpcObject> {
  readonly #slots: (T | undefined)[] = [];
  readonly #keys: Map<number, T> = new Map();
  #seq = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The highest slot that is in use, 0 if none is: what IPC_INFO returns. */
  get highest(): number {
    return Math.max(0, this.#slots.length - 1);
  }

  /** shmget, semget, msgget. @returns an identifier or a negative errno */
  get({ key, flags, cred, now, max, make, accept }: IpcRequest<T>): number {
    const found = key === IPC_PRIVATE ? undefined : this.#keys.get(key);
    if (found !== undefined) {
      if (flags & IPC_CREAT && flags & IPC_EXCL) return -E.EXIST;
      const refused = accept(found);
      return refused < 0 ? refused : found.checkAccess(cred, flags & 0o777) || found.id;
    }
    if (key !== IPC_PRIVATE && !(flags & IPC_CREAT)) return -E.NOENT;
    if (this.#size >= Math.min(max, IPC_SLOTS)) return -E.NOSPC;
    let slot = 0;
    while (this.#slots[slot] !== undefined) slot++;
    const object = make({ key, id: this.#seq * IPC_SLOTS + slot, cred, permissions: flags & 0o777, now });
    if (typeof object === 'number') return object;
    this.#slots[slot] = object;
    if (key !== IPC_PRIVATE) this.#keys.set(key, object);
    this.#size++;
    this.#seq = this.#seq === MAX_SEQ ? 0 : this.#seq + 1;
    return object.id;
  }

  find(id: number): T | undefined {
    const object = this.#slots[id % IPC_SLOTS];
    return object?.id === id ? object : undefined;
  }

  /** By slot, for the commands that list. */
  at(slot: number): T | undefined {
    return this.#slots[slot];
  }

  /** It is no longer found by its key. */
  forgetKey(object: T): void {
    if (object.key !== IPC_PRIVATE) this.#keys.delete(object.key);
    object.key = IPC_PRIVATE;
  }

  remove(object: T): void {
    this.forgetKey(object);
    object.removed = true;
    const slot = object.id % IPC_SLOTS;
    if (this.#slots[slot] !== object) return;
    this.#slots[slot] = undefined;
    this.#size--;
    while (this.#slots.length > 0 && this.#slots.at(-1) === undefined) this.#slots.pop();
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const object of this.#slots) if (object !== undefined) yield object;
  }
}
