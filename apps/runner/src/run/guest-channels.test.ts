import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const kernel = sandbox.file('hello', guestKernel(HELLO));
const configured = (channels: string): string =>
  sandbox.file('guest.cfg', `name = "g"\nkernel = "${kernel}"\nmemory = 16\nchannel = [ ${channels} ]\n`);

test('the files and sockets of channels are there for the run, and sockets end with it', async () => {
  const [log, socket] = [sandbox.path('log'), sandbox.path('socket')];
  const cfg = configured(`"connection=file,path=${log}", "connection=socket,path=${socket}"`);
  const result = await domu(['run', cfg, '--timeout', '20']);
  expect(result).toMatchObject({ code: 0, stdout: 'hello, world\r\n', stderr: '' });
  expect([readFileSync(log).length, existsSync(socket)]).toEqual([0, false]);
});

test.each([
  [`"connection=socket,path=${kernel}"`, /:4:13: channel: .*hello exists; expected a path for a new socket/],
  ['"connection=file,path=/nowhere/log"', /\/nowhere\/log cannot be written/],
  ['"connection=pty"', /connection "pty" is not supported; expected socket or file/],
])('channel = [ %s ] is refused', async (channel, message) => {
  const { code, stderr } = await domu(['run', configured(channel)]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});
