import { type DomId, XENSTORE_ABS_PATH_MAX, XENSTORE_REL_PATH_MAX } from '@domu/xen-abi';

const VALID_CHARS = /^[A-Za-z0-9\-/_@]+$/;
const DOMAIN_PREFIX = /^\/local\/domain\/[0-9]{1,5}\//;

/** Paths that stand for events of the host rather than for nodes of the tree. */
export const SPECIAL_PATHS: readonly string[] = ['@introduceDomain', '@releaseDomain'];

/** @returns the directory that a domain's relative paths start from */
export function domainPath(domid: DomId): string {
  return `/local/domain/${domid}`;
}

/** @returns true when `path` needs the caller's own directory in front of it */
export function isRelative(path: string): boolean {
  return !path.startsWith('/') && !path.startsWith('@');
}

/**
 * Makes a caller's path absolute and checks its form.
 * @param path      as the caller gave it
 * @param base      the caller's own directory, for relative paths
 * @param allowSpecial whether an '@' path is acceptable to this request
 * @returns the absolute path, or null when xenstored answers EINVAL
 * Source: docs/misc/xenstore.txt, second section
 */
export function canonicalize(path: string, base: string, allowSpecial: boolean): string | null {
  if (!VALID_CHARS.test(path)) return null;
  if (path.startsWith('@') && !allowSpecial) return null;
  const absolute = isRelative(path) ? `${base}/${path}` : path;
  if (absolute.includes('//') || (absolute.length > 1 && absolute.endsWith('/'))) return null;
  const prefix = DOMAIN_PREFIX.exec(absolute)?.[0].length ?? 0;
  if (absolute.length > XENSTORE_ABS_PATH_MAX || absolute.length - prefix > XENSTORE_REL_PATH_MAX)
    return null;
  return absolute;
}

/** @returns the path one level up; the root for a special path and for the root itself */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** @returns the last component of a path other than the root */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** @returns the path of a child called `name` */
export function childPath(path: string, name: string): string {
  return path === '/' ? `/${name}` : `${path}/${name}`;
}

/** @returns true when `path` is `ancestor` or lies below it */
export function isBelowOrEqual(path: string, ancestor: string): boolean {
  if (ancestor === '/') return path.startsWith('/');
  return path === ancestor || (path.startsWith(ancestor) && path[ancestor.length] === '/');
}
