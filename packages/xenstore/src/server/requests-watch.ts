import { canonicalize, domainPath } from './path.ts';
import { fromText, splitStrings } from './payload.ts';
import type { Handler } from './request-context.ts';

/** WATCH wpath|token| -> OK| , and then one event for the path as it was given. */
export const watch: Handler = ({ connection, core, events, payload, reply }) => {
  const strings = splitStrings(payload);
  if (strings.length !== 2) return 'EINVAL';
  const [given, token] = strings;
  const path = canonicalize(given, domainPath(connection.domid), true);
  if (path === null) return 'EINVAL';
  if (connection.findWatch(path, token) !== undefined) return 'EEXIST';
  if (!connection.privileged && connection.watches.length >= core.quotas.watches) return 'E2BIG';
  connection.watches.push(connection.makeWatch(given, path, token, events));
  reply(fromText('OK\0'));
  events(given, token);
  return null;
};

/** UNWATCH wpath|token| -> OK| */
export const unwatch: Handler = ({ connection, payload, reply }) => {
  const strings = splitStrings(payload);
  if (strings.length !== 2) return 'EINVAL';
  const path = canonicalize(strings[0], domainPath(connection.domid), true);
  if (path === null) return 'EINVAL';
  const found = connection.findWatch(path, strings[1]);
  if (found === undefined) return 'ENOENT';
  connection.removeWatch(found);
  reply(fromText('OK\0'));
  return null;
};

/** RESET_WATCHES | -> OK| ; transactions go too. */
export const resetWatches: Handler = ({ connection, reply }) => {
  connection.reset();
  reply(fromText('OK\0'));
  return null;
};
