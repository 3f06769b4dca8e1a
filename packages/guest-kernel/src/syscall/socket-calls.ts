/** All rows about sockets, by name. */
import { makeSocketcall, messageCalls } from './messages.ts';
import { plainSocketCalls, type SocketCall } from './sockets.ts';

const direct: Readonly<Record<string, SocketCall>> = { ...plainSocketCalls, ...messageCalls };

export const allSocketCalls: Readonly<Record<string, SocketCall>> = {
  ...direct,
  socketcall: makeSocketcall(direct),
};
