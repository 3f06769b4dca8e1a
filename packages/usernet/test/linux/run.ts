// Plugs a real Linux TCP stack (a tap in a network namespace) into a user-mode network and checks that they understand each
// other. Needs unshare, nsenter, ip, curl, python3 and gcc; run by hand:
//   npx tsx --conditions=@domu/source packages/usernet/test/linux/run.ts
import { createHash, randomBytes } from 'node:crypto';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { UserNetwork } from '@domu/usernet';
import { HostTicker, NodeNetwork } from '@domu/usernet/node';
import { LinuxHost, type TapOptions } from './tap.ts';

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const FORWARD = { address: '127.0.0.1', port: 38211 };
let failures = 0;

function check(name: string, passed: boolean, detail = ''): void {
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name} ${detail}`);
  if (!passed) failures++;
}

async function output(linux: LinuxHost, command: string, ...args: string[]): Promise<Buffer> {
  const child = linux.start(command, ...args);
  const chunks: Buffer[] = [];
  child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => child.on('close', resolve));
  return Buffer.concat(chunks);
}

/** @returns what came back for it, empty if the connection was reset */
async function throughForward(sent: Buffer): Promise<Buffer> {
  const socket = connect({ ...FORWARD, host: FORWARD.address, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.end(sent);
  await new Promise((resolve) => socket.on('close', resolve));
  return Buffer.concat(chunks);
}

async function session(name: string, options: TapOptions, megabytes: number): Promise<void> {
  const clock = new HostTicker();
  const network = new UserNetwork(
    { clock, host: new NodeNetwork(), log: console.log },
    { forwards: [{ protocol: 'tcp', host: FORWARD, guestAddress: undefined, guestPort: 8000 }] },
  );
  clock.start(network);
  const linux = new LinuxHost(network, options);
  while (!linux.isReady()) await sleep(50);
  const body = randomBytes(megabytes << 20);
  const http = createHttp((request, response) => {
    if (request.method === 'GET') return void response.end(body);
    const hash = createHash('sha256');
    request.on('data', (chunk) => hash.update(chunk));
    request.on('end', () => response.end(hash.digest('hex')));
  });
  http.listen(0, '127.0.0.1');
  await sleep(50);
  const url = `http://10.0.2.2:${portOf(http)}/`;

  const measure = async (what: string, run: () => Promise<boolean>): Promise<void> => {
    const [cpu, from] = [process.cpuUsage(), performance.now()];
    const passed = await run();
    const seconds = (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const speed = `${Math.round((megabytes * 8.389) / seconds)} Mbit/s`;
    const cost = `${((user + system) / 1e6).toFixed(2)} s of CPU, ${linux.frames.in + linux.frames.out} frames`;
    check(`${name}: ${what}`, passed, `${megabytes} MiB, ${speed}, ${cost}`);
  };
  await measure('download', async () => sha(await output(linux, 'curl', '-s', url)) === sha(body));
  await measure('upload', async () => {
    const child = linux.start('curl', '-s', '-T', '-', url);
    child.stdin!.end(body);
    const chunks: Buffer[] = [];
    child.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => child.on('close', resolve));
    return Buffer.concat(chunks).toString() === sha(body);
  });
  http.close();

  const refused = createServer().listen(0, '127.0.0.1');
  await sleep(20);
  const closedPort = portOf(refused);
  refused.close();
  const script = (text: string): Promise<Buffer> => output(linux, 'python3', '-c', text);
  const connectTo = (port: number): string =>
    `import socket,time\ns=socket.create_connection(("10.0.2.2",${port}),timeout=20)\n`;
  const said = await script(
    `import socket\ntry:\n socket.create_connection(("10.0.2.2",${closedPort}),timeout=20)\nexcept OSError as e: print(e.errno)`,
  );
  check(`${name}: a refused connection`, said.toString().trim() === '111', said.toString().trim());

  const late = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => setTimeout(() => socket.end(sha(Buffer.concat(chunks))), 200));
  });
  late.listen(0, '127.0.0.1');
  await sleep(20);
  const answer = await script(
    `${connectTo(portOf(late))}s.sendall(b"x"*100000)\ns.shutdown(1)\nr=b""\nwhile True:\n d=s.recv(999)\n if not d: break\n r+=d\nprint(r.decode())`,
  );
  check(`${name}: half-close`, answer.toString().trim() === sha(Buffer.alloc(100000, 'x')));
  late.close();

  const echo = createServer((socket) => void socket.setNoDelay(true).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await sleep(20);
  const trips = await script(
    `${connectTo(portOf(echo))}s.setsockopt(6,1,1)\nt=time.time()\nfor i in range(300):\n s.sendall(b"x")\n s.recv(1)\nprint((time.time()-t)/300*1000)`,
  );
  check(
    `${name}: 1-byte round trips`,
    Number(trips.toString()) > 0,
    `${Number(trips.toString()).toFixed(2)} ms`,
  );
  echo.close();

  const served = linux.start(
    'python3',
    '-c',
    'import socket\nl=socket.socket()\nl.setsockopt(1,2,1)\nl.bind(("",8000))\nl.listen()\nwhile True:\n c,_=l.accept()\n d=b""\n while True:\n  x=c.recv(65536)\n  if not x: break\n  d+=x\n c.sendall(d[::-1])\n c.close()',
  );
  const sent = body.subarray(0, 2 << 20);
  let returned: Buffer = Buffer.alloc(0);
  for (let tries = 0; tries < 50 && returned.length === 0; tries++) {
    await sleep(200); // until the program listens, the forward is reset
    returned = await throughForward(sent);
  }
  check(`${name}: forward`, sha(returned) === sha(Buffer.from(sent).reverse()));
  served.kill();
  linux.close();
  network.close();
  clock.stop();
}

await session('offload', { offload: true, loss: 0 }, 256);
await session('plain frames', { offload: false, loss: 0 }, 64);
await session('loss of 1%', { offload: false, loss: 0.01 }, 4);
await session('loss of 1%, large frames', { offload: true, loss: 0.01 }, 4);
console.log(failures === 0 ? 'all passed' : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
