import { XENSTORE_PAYLOAD_MAX } from '@domu/xen-abi';
import { isXsErrno, type XsErrno } from './errors.ts';
import { getPerms, makeNode, type OpContext, readNode, removeNode, setPerms, writeNode } from './node-ops.ts';
import { decimal, fromText, nulTerminated, soleString, splitStrings, toText } from './payload.ts';
import { formatPerm } from './perms.ts';
import type { Handler, RequestContext } from './request-context.ts';
import { parsePerms } from './store-access.ts';

const OK = 'OK\0';

/** READ path| -> value, without a NUL. */
export const read: Handler = (ctx) =>
  withPath(ctx, (op, path) => {
    const node = readNode(op, path);
    return isXsErrno(node) ? node : node.value;
  });

/** DIRECTORY path| -> name|* */
export const directory: Handler = (ctx) =>
  withPath(ctx, (op, path) => {
    const node = readNode(op, path);
    return isXsErrno(node) ? node : nulTerminated(node.children.keys());
  });

/** GET_PERMS path| -> entry|+ */
export const getPermsOf: Handler = (ctx) =>
  withPath(ctx, (op, path) => {
    const perms = getPerms(op, path);
    return isXsErrno(perms) ? perms : nulTerminated(perms.map(formatPerm));
  });

/** MKDIR path| -> OK| */
export const mkdir: Handler = (ctx) => withPath(ctx, (op, path) => makeNode(op, path) ?? fromText(OK));

/** RM path| -> OK| */
export const rm: Handler = (ctx) => withPath(ctx, (op, path) => removeNode(op, path) ?? fromText(OK));

/** WRITE path|value -> OK| ; the value is all that follows the first NUL. */
export const write: Handler = (ctx) => {
  const nul = ctx.payload.indexOf(0);
  if (nul < 0) return 'EINVAL';
  const path = toText(ctx.payload.subarray(0, nul));
  return answer(ctx, writeNode(opContext(ctx), path, ctx.payload.slice(nul + 1)) ?? fromText(OK));
};

/** SET_PERMS path|entry|+ -> OK| */
export const setPermsOf: Handler = (ctx) => {
  const [path, ...entries] = splitStrings(ctx.payload);
  if (path === undefined) return 'EINVAL';
  const perms = parsePerms(entries);
  if (perms === null) return 'EINVAL';
  const exists = (domid: (typeof perms)[number]['domid']): boolean =>
    ctx.core.host.domainExists?.(domid) ?? true;
  if (!exists(perms[0].domid)) return 'ENOENT';
  const known = perms.filter((perm) => exists(perm.domid));
  return answer(ctx, setPerms(opContext(ctx), path, known) ?? fromText(OK));
};

/**
 * DIRECTORY_PART path|offset| -> generation|name|* ; an empty name ends the last part.
 * Source: tools/xenstored/core.c, "send_directory_part" @ RELEASE-4.18.0
 */
export const directoryPart: Handler = (ctx) => {
  const strings = splitStrings(ctx.payload);
  if (strings.length !== 2) return 'EINVAL';
  const node = readNode(opContext(ctx), strings[0]);
  if (isXsErrno(node)) return answer(ctx, node);
  const head = `${node.generation}\0`;
  const names = toText(nulTerminated(node.children.keys()));
  const offset = decimal(strings[1]);
  if (offset < 0 || offset >= names.length) return answer(ctx, fromText(`${head}\0`));
  const room = XENSTORE_PAYLOAD_MAX - head.length - 1;
  const whole = names.slice(offset);
  const part = whole.length <= room ? whole : whole.slice(0, whole.lastIndexOf('\0', room - 1) + 1);
  return answer(ctx, fromText(head + part + (part.length === whole.length ? '\0' : '')));
};

function withPath(
  ctx: RequestContext,
  operate: (op: OpContext, path: string) => Uint8Array | XsErrno,
): XsErrno | null {
  const path = soleString(ctx.payload);
  return path === null ? 'EINVAL' : answer(ctx, operate(opContext(ctx), path));
}

function opContext({ connection, core, transaction }: RequestContext): OpContext {
  return { caller: connection, space: transaction ?? core, quotas: core.quotas };
}

/** A transaction that has touched too many nodes answers nothing but errors from then on. */
function answer(ctx: RequestContext, result: Uint8Array | XsErrno): XsErrno | null {
  if (ctx.transaction?.overflowed) return 'ENOSPC';
  if (isXsErrno(result)) return result;
  ctx.reply(result);
  return null;
}
