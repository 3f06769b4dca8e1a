import { isXsErrno, XenStoreUsageError, type XsErrno } from './errors.ts';
import { getPerms, makeNode, type OpContext, readNode, removeNode, setPerms, writeNode } from './node-ops.ts';
import { formatPerm, type NodePerms, parsePerm } from './perms.ts';

/**
 * The store as host code of dom0 uses it: a missing node reads as null, and a refusal, which only a malformed path
 * or permission can cause, is our bug and throws XenStoreUsageError. Paths that guests have a hand in may be
 * passed to the reading calls: what is not a path is not there.
 */
export interface StoreAccess {
  /** @returns the value as text (UTF-8), or null when there is no such node */
  read(path: string): string | null;
  readBytes(path: string): Uint8Array | null;
  /** Stores a value, making the node and its parents if need be. */
  write(path: string, value: string | Uint8Array): void;
  mkdir(path: string): void;
  /** Removes a node with everything below it; a node that is not there is fine. */
  rm(path: string): void;
  /** @returns names of the children in order of creation, or null when there is no such node */
  directory(path: string): string[] | null;
  /** @returns entries such as `n0` (the owner's first), or null when there is no such node */
  getPerms(path: string): string[] | null;
  /** @param perms entries of a letter (n none, r read, w write, b both) and a domain id; the first is the owner's */
  setPerms(path: string, perms: readonly string[]): void;
}

/** StoreAccess on the live store or on one transaction. */
export class DirectAccess implements StoreAccess {
  readonly #ctx: OpContext;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(ctx: OpContext) {
    this.#ctx = ctx;
  }

  read(path: string): string | null {
    const value = this.readBytes(path);
    return value === null ? null : this.#decoder.decode(value);
  }

  readBytes(path: string): Uint8Array | null {
    const node = readNode(this.#ctx, path);
    return isXsErrno(node) ? null : node.value.slice();
  }

  write(path: string, value: string | Uint8Array): void {
    const bytes = typeof value === 'string' ? this.#encoder.encode(value) : value.slice();
    must('write', path, writeNode(this.#ctx, path, bytes));
  }

  mkdir(path: string): void {
    must('mkdir', path, makeNode(this.#ctx, path));
  }

  rm(path: string): void {
    const refused = removeNode(this.#ctx, path);
    if (refused !== 'ENOENT') must('rm', path, refused);
  }

  directory(path: string): string[] | null {
    const node = readNode(this.#ctx, path);
    return isXsErrno(node) ? null : [...node.children.keys()];
  }

  getPerms(path: string): string[] | null {
    const perms = getPerms(this.#ctx, path);
    return isXsErrno(perms) ? null : perms.map(formatPerm);
  }

  setPerms(path: string, perms: readonly string[]): void {
    const parsed = parsePerms(perms);
    must('setPerms', path, parsed === null ? 'EINVAL' : setPerms(this.#ctx, path, parsed));
  }
}

/** @returns the permission list that the entries spell, or null when one is malformed or there is none */
export function parsePerms(entries: readonly string[]): NodePerms | null {
  const perms: NodePerms = entries.flatMap((entry) => parsePerm(entry) ?? []);
  return perms.length === entries.length && perms.length > 0 ? perms : null;
}

function must(operation: string, path: string, refused: XsErrno | null): void {
  if (refused !== null) throw new XenStoreUsageError(operation, path, refused);
}
