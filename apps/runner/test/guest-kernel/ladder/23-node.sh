# node 18: V8's own JIT, an http server for the host, workers, children, compression
# packages: nodejs
# ports: 8080
# memory: 640
cat > server.js <<'X'
const http = require('http'), crypto = require('crypto'), zlib = require('zlib'), { Worker } = require('worker_threads');
const { exec } = require('child_process');
const digest = (text) => crypto.createHash('sha256').update(text).digest('hex');
const server = http.createServer((request, response) => {
  if (request.url === '/stop') { response.end('bye'); server.close(); return; }
  response.end(`${digest(request.url)}\n`);
});
const get = (path) => new Promise((done) => http.get(`http://127.0.0.1:8080${path}`, (r) => { let t = ''; r.on('data', (c) => { t += c; }).on('end', () => done(t)); }));
let x = 1; for (let i = 0; i < 2e6; i++) x = (Math.imul(x, 1103515245) + 12345 + Math.sqrt(i) | 0) >>> 0;
server.listen(8080, async () => {
  console.log(process.version, process.arch, x, Math.sin(1), 0.1 + 0.2, 2n ** 100n);
  console.log(await get('/inside'));
  console.log(zlib.gunzipSync(zlib.gzipSync(Buffer.alloc(1e5, 'domu'))).length, zlib.deflateSync(Buffer.alloc(1e4, 'x')).toString('hex'));
  await new Promise((done) => new Worker('require("worker_threads").parentPort.postMessage([1, 2, 3].map((v) => v * v))', { eval: true }).on('message', (m) => { console.log('worker', m); done(); }));
  await new Promise((done) => exec('echo child $((6 * 7))', (_, out) => { console.log(out); done(); }));
  console.log('ready');
});
X
node -e 'console.log([3, 1, 2].sort(), /(\d+)/.exec("a12")[1], new Date(0).toISOString())'
node server.js > node.out 2>&1 &
tries=0; until grep -q ready node.out || [ $tries -gt 900 ]; do tries=$((tries + 1)); busybox usleep 100000; done
set -- $(printf /outside | sha256sum); set -- $(printf '%s\n' "$1" | busybox sha1sum)
host get 8080 /outside "$1"
busybox wget -q -O - http://127.0.0.1:8080/stop; wait; cat node.out
