// A small Debian for i386 as a directory and as an ext2 image, out of packages and what they depend on, and npm's
// packages with programs for it. No root needed:
// the packages are unpacked, not installed, and what their scripts would do and programs need is done here.

import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run, withFreshDir } from './debian.mjs';
import { cacheDir, UserError } from './workspace.mjs';

/** Bookworm's directories of programs and libraries are links; its packages still use the old names. */
const MERGED = ['bin', 'sbin', 'lib'];
const FOLDERS = [
  'dev',
  'proc',
  'sys',
  'tmp',
  'run',
  'w',
  'root',
  'etc',
  'var/tmp',
  'usr/bin',
  'usr/sbin',
  'usr/lib',
];

const NPM = 'npm:';

/** What update-alternatives would choose. */
const ALTERNATIVES = {
  awk: 'mawk',
  vi: 'vim.tiny',
  nc: 'nc.openbsd',
  lua: 'lua5.4',
  php: 'php8.2',
  tclsh: 'tclsh8.6',
  pager: 'less',
  cc: 'gcc',
  'c++': 'g++',
  lzma: 'xz',
  unlzma: 'unxz',
  lzcat: 'xzcat',
  guile: 'guile-3.0',
  gnuplot: 'gnuplot-nox',
  figlet: 'figlet-figlet',
  ctags: 'ctags-universal',
};

const FILES = {
  'etc/hosts': '127.0.0.1 localhost\n10.0.2.2 host\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  'etc/shells': '/bin/sh\n/bin/bash\n',
};

/** Process 1: what the tests' cases need, then the cases. */
const INIT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for dir in /tmp /run /var/tmp /dev/shm; do mount -t tmpfs tmpfs $dir; done
mount /dev/xvdb /w
ln -s /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/\${n%:*} /dev/\${n#*:}; done
[ -x /usr/sbin/ip ] && ip link set lo up
sh /w/run.sh "$limit"
kill -9 -1
sleep 1
umount /w
echo all cases done
sleep 1000
`;

/** apt with lists and a package database of its own, for i386; the database is empty, so that nothing counts as installed. */
function apt(state, args) {
  const options = [
    'APT::Architecture=i386',
    'APT::Architectures=i386',
    'APT::Install-Recommends=false',
    `Dir::State::Lists=${state}/lists`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    'Debug::NoLocking=1',
  ];
  return run('apt-get', [...options.flatMap((option) => ['-o', option]), ...args], { maxBuffer: 1 << 28 });
}

/** Downloads the packages and their dependencies. @returns the archives' paths */
function download(packages) {
  const state = join(cacheDir, 'apt-i386');
  for (const sub of ['lists/partial', 'cache/archives/partial', 'none/partial'])
    mkdirSync(join(state, sub), { recursive: true });
  writeFileSync(join(state, 'status'), '');
  // With a cache of its own, as it leaves out what is there already.
  const wanted = ['-o', `Dir::Cache::Archives=${state}/none`, '-y', '--print-uris', 'install', ...packages];
  let plan = apt(state, wanted);
  if (plan.error) throw new UserError('apt-get is not there; it is needed to fetch Debian packages');
  if (plan.status !== 0) {
    // A source that is of no use here may fail: what counts is whether the packages are found afterwards.
    apt(state, ['update']);
    plan = apt(state, wanted);
  }
  if (plan.status === 0) {
    process.stderr.write(`domu: fetching Debian packages for i386 (${packages.slice(0, 6).join(' ')} …)\n`);
    const fetched = apt(state, ['-y', '--download-only', 'install', ...packages]);
    if (fetched.status !== 0) plan = fetched;
  }
  if (plan.status !== 0) {
    const reason =
      plan.stderr.split('\n').find((line) => line.startsWith('E:')) ?? `exit code ${plan.status}`;
    throw new UserError(`apt-get cannot download Debian packages for i386 (offline?): ${reason}`);
  }
  const names = plan.stdout.match(/^'[^']*' \S+/gm)?.map((line) => line.split(' ')[1]) ?? [];
  return names.map((name) => join(state, 'cache/archives', name));
}

function unpack(archives, tree) {
  for (const folder of FOLDERS) mkdirSync(join(tree, folder), { recursive: true });
  for (const name of MERGED) symlinkSync(`usr/${name}`, join(tree, name));
  for (const archive of archives) {
    // dpkg-deb -x would put a directory in a link's place.
    const command =
      'dpkg-deb --fsys-tarfile "$1" | tar -x -f - -C "$2" --keep-directory-symlink --no-same-owner';
    const result = run('sh', ['-c', command, 'sh', archive, tree]);
    if (result.status !== 0) throw new UserError(`${archive} cannot be unpacked: ${result.stderr.trim()}`);
  }
}

/** Packages of npm, each in a folder of its own below /opt. @param names as NAME@VERSION */
function unpackNpm(names, tree) {
  for (const name of names) {
    const [short] = name.split('/').pop().split('@');
    const home = join(tree, 'opt', short);
    mkdirSync(home, { recursive: true });
    const packed = run('npm', ['pack', '--silent', '--pack-destination', home, name], { cwd: home });
    if (packed.status !== 0) throw new UserError(`npm cannot fetch ${name} (offline?)`);
    const archive = join(home, packed.stdout.trim().split('\n').pop());
    run('tar', ['-x', '-z', '-f', archive, '-C', home, '--strip-components=1', '--no-same-owner']);
    rmSync(archive);
    run('chmod', ['-R', 'a+rX,u+x', home]);
  }
}

const isThere = (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function finish(tree) {
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(tree, name), text);
  const bin = join(tree, 'usr/bin');
  for (const [name, target] of Object.entries(ALTERNATIVES))
    if (!isThere(join(bin, name)) && isThere(join(bin, target))) symlinkSync(target, join(bin, name));
  for (const name of ['passwd', 'group']) {
    const master = join(tree, `usr/share/base-passwd/${name}.master`);
    const text = existsSync(master) ? readFileSync(master) : 'root:x:0:\n';
    writeFileSync(join(tree, 'etc', name), text);
  }
  // Without root it may be refused; the loader then searches its directories.
  run('ldconfig', ['-r', tree]);
  writeFileSync(join(tree, 'sbin/cases'), INIT, { mode: 0o755 });
  for (const name of ['tmp', 'var/tmp', 'w']) chmodSync(join(tree, name), 0o1777);
  for (const name of ['usr/share/man', 'usr/share/doc', 'usr/share/locale', 'usr/share/info'])
    rmSync(join(tree, name), { recursive: true, force: true });
}

/** What packages' scripts run of their own programs. */
const SCRIPTS = [
  // Python's byte code: without it every start compiles what it imports.
  ['/usr/bin/python3', '-m', 'compileall', '-q', '/usr/lib/python3.11', '/usr/lib/python3'],
  // The list of graphviz's plug-ins, without which it can draw nothing.
  ['/usr/bin/dot', '-c'],
];

function runScripts(tree) {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  for (const command of SCRIPTS)
    if (existsSync(join(tree, command[0])))
      run('unshare', [...asRoot, '--mount', 'chroot', tree, ...command]);
}

const sizeOf = (tree) => Number(run('du', ['-sk', tree]).stdout.split('\t')[0]);
/** Room for what programs write, and for the file system's own tables. */
const SPARE_KIB = 64 * 1024;

function makeImage(tree, image) {
  const kib = Math.ceil(sizeOf(tree) * 1.1) + SPARE_KIB;
  const args = ['-q', '-t', 'ext2', '-b', '4096', '-E', 'root_owner=0:0', '-d', tree, image, `${kib}k`];
  const result = run('mke2fs', args);
  if (result.error) throw new UserError('mke2fs is not there; Debian has it in e2fsprogs');
  if (result.status !== 0) throw new UserError(`mke2fs: ${result.stderr.trim()}`);
}

/**
 * A Debian tree of these packages and what they depend on; built on first use.
 * @param packages names of Debian's, and of npm's as npm:NAME@VERSION
 * @returns the directory and the image of it
 */
export function debianTree(packages) {
  const recipe = readFileSync(new URL(import.meta.url));
  const key = createHash('sha256').update(recipe).update(packages.join(' ')).digest('hex').slice(0, 12);
  const home = join(cacheDir, `debian-${key}`);
  const result = { tree: join(home, 'tree'), image: join(home, 'root.img') };
  if (existsSync(result.image)) return result;
  withFreshDir((dir) => {
    const tree = join(dir, 'tree');
    unpack(download(packages.filter((name) => !name.startsWith(NPM))), tree);
    unpackNpm(
      packages.flatMap((name) => (name.startsWith(NPM) ? [name.slice(NPM.length)] : [])),
      tree,
    );
    finish(tree);
    runScripts(tree);
    makeImage(tree, join(dir, 'root.img'));
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home);
    for (const name of readdirSync(dir)) renameSync(join(dir, name), join(home, name));
  });
  return result;
}
