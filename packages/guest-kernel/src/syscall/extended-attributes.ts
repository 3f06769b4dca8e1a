/** Extended attributes, of which no file has any: the calls answer as Linux does on a file system that knows none. */
import { E } from '../abi/errno.ts';
import { AT_FDCWD } from '../abi/fcntl.ts';
import type { Op } from '../task/wait.ts';
import { type FileCall, type FileCalls, type FileTask, findAt, signed } from './file-task.ts';

const XATTR_NAME_MAX = 255;
const XATTR_SIZE_MAX = 65_536;
const XATTR_CREATE_OR_REPLACE = 3;

type Place = 'path' | 'link' | 'descriptor';

/** Looks the file up. @returns 0 or a negative errno */
function* locate(task: FileTask, place: Place, where: number): Op<number> {
  if (place === 'descriptor') return task.files.get(signed(where)) === undefined ? -E.BADF : 0;
  const found = yield* findAt(task, AT_FDCWD, where, { follow: place === 'path' });
  return typeof found === 'number' ? found : 0;
}

/** @returns 0, or -EFAULT, -ERANGE */
function checkName(task: FileTask, va: number): number {
  const name = task.user.readString(va, XATTR_NAME_MAX + 1);
  if (typeof name === 'number') return name === -E.NAMETOOLONG ? -E.RANGE : name;
  return name === '' ? -E.RANGE : 0;
}

/** get and remove: the file, then the name. */
function lookUp(place: Place): FileCall {
  return function* (task, [where, name]) {
    const found = yield* locate(task, place, where!);
    if (found < 0) return found;
    const checked = checkName(task, name!);
    return checked < 0 ? checked : -E.OPNOTSUPP;
  };
}

function set(place: Place): FileCall {
  return function* (task, [where, name, , size, flags]) {
    if ((flags! & ~XATTR_CREATE_OR_REPLACE) !== 0) return -E.INVAL;
    const found = yield* locate(task, place, where!);
    if (found < 0) return found;
    const checked = checkName(task, name!);
    if (checked < 0) return checked;
    return size! > XATTR_SIZE_MAX ? -E.TOOBIG : -E.OPNOTSUPP;
  };
}

function list(place: Place): FileCall {
  return (task, [where]) => locate(task, place, where!);
}

export const extendedAttributeCalls: FileCalls = {
  getxattr: lookUp('path'),
  lgetxattr: lookUp('link'),
  fgetxattr: lookUp('descriptor'),
  setxattr: set('path'),
  lsetxattr: set('link'),
  fsetxattr: set('descriptor'),
  listxattr: list('path'),
  llistxattr: list('link'),
  flistxattr: list('descriptor'),
  removexattr: lookUp('path'),
  lremovexattr: lookUp('link'),
  fremovexattr: lookUp('descriptor'),
};
