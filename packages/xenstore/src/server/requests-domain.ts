import { DOMID_SELF, type DomId, domId } from '@domu/xen-abi';
import { domainPath } from './path.ts';
import { decimal, fromText, soleString, splitStrings } from './payload.ts';
import type { Handler, RequestContext } from './request-context.ts';

/** GET_DOMAIN_PATH domid| -> path| */
export const getDomainPath: Handler = (ctx) => {
  const domid = soleDomid(ctx);
  if (domid === null) return 'EINVAL';
  ctx.reply(fromText(`${domainPath(domid)}\0`));
  return null;
};

/** IS_DOMAIN_INTRODUCED domid| -> T| or F| */
export const isDomainIntroduced: Handler = (ctx) => {
  const domid = soleDomid(ctx);
  if (domid === null) return 'EINVAL';
  const introduced = domid === DOMID_SELF || domid === 0 || ctx.core.isIntroduced(domid);
  ctx.reply(fromText(introduced ? 'T\0' : 'F\0'));
  return null;
};

/** INTRODUCE domid|gfn|evtchn| -> OK| ; the frame is known from the grant table, not from here. */
export const introduce: Handler = ({ core, payload, reply }) => {
  const strings = splitStrings(payload);
  if (strings.length < 3) return 'EINVAL';
  const port = decimal(strings[2]);
  if (port <= 0) return 'EINVAL';
  const refused = core.host.introduce?.(domId(decimal(strings[0])), port);
  if (refused === undefined) return 'EINVAL';
  if (refused === null) reply(fromText('OK\0'));
  return refused;
};

/** RELEASE domid| -> OK| */
export const release: Handler = (ctx) => onIntroduced(ctx, (domid) => ctx.core.released(domid));

/** RESUME domid| -> OK| */
export const resume: Handler = (ctx) => onIntroduced(ctx, (domid) => ctx.core.resumed(domid));

/** SET_TARGET domid|target| -> OK| ; the first domain gets the rights of the second. */
export const setTarget: Handler = ({ core, payload, reply }) => {
  const strings = splitStrings(payload);
  if (strings.length < 2) return 'EINVAL';
  const [domid, target] = strings.map((text) => domId(decimal(text)));
  const connections = core.connectionsOf(domid);
  if (connections.length === 0 || core.connectionsOf(target).length === 0) return 'ENOENT';
  for (const connection of connections) connection.target = target;
  reply(fromText('OK\0'));
  return null;
};

/** CONTROL command|... ; no command is known. */
export const control: Handler = () => 'EINVAL';

function soleDomid({ payload }: RequestContext): DomId | null {
  const text = soleString(payload);
  return text === null ? null : domId(decimal(text));
}

function onIntroduced(ctx: RequestContext, act: (domid: DomId) => void): ReturnType<Handler> {
  const domid = soleDomid(ctx);
  if (domid === null || domid === 0) return 'EINVAL';
  if (!ctx.core.isIntroduced(domid)) return 'ENOENT';
  act(domid);
  ctx.reply(fromText('OK\0'));
  return null;
}
