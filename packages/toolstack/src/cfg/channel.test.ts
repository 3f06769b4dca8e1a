import { expect, test } from 'vitest';
import { parseChannel } from './channel.ts';

test.each([
  [
    'connection=socket,path=/run/agent.sock,name=org.example.agent',
    { name: 'org.example.agent', connection: 'socket', path: '/run/agent.sock' },
  ],
  ['backend=0, connection=file, path=out.log', { name: null, connection: 'file', path: 'out.log' }],
])('%j is a channel', (spec, value) => {
  expect(parseChannel(spec)).toEqual({ ok: true, value });
});

test.each([
  ['connection=pty', /connection "pty" is not supported; expected socket or file/],
  ['name=x', /connection "" is not supported/],
  ['connection=socket', /no path; expected one for connection=socket/],
  ['connection=file,path=x,speed=1', /unknown parameter "speed=1"/],
  ['pty', /unknown parameter "pty"/],
  ['connection=file,path=x,backend=dd', /backend "dd" is not supported/],
])('%j is refused', (spec, message) => {
  const parsed = parseChannel(spec);
  expect(parsed.ok ? 'no error' : parsed.error).toMatch(message);
});
