import { describe, expect, it } from 'vitest';
import { E } from '../../abi/errno.ts';
import { type TestTask, TestWorld } from '../testing.ts';
import type { KernelView, ProcessView } from './kernel-view.ts';

function viewOf(task: TestTask): ProcessView {
  const leader = {
    tid: task.caller.pid,
    name: `task ${task.caller.pid}`,
    state: 'S',
    noNewPrivileges: false,
    userNs: 0n,
    systemNs: 0n,
  };
  return {
    ...{
      pid: task.caller.pid,
      ppid: 0,
      pgid: task.caller.pgid,
      sid: task.caller.sid,
      cred: task.caller.cred,
    },
    ...{ leader, threads: [leader], ttyRdev: 0, ttyForeground: -1, userNs: 20_000_000n, systemNs: 0n },
    ...{ childUserNs: 0n, childSystemNs: 0n, startedNs: 0n, minorFaults: 0, majorFaults: 0 },
    ...{ virtualBytes: 8192, residentBytes: 4096, exitSignal: 17, nice: 0, limits: [] },
    signals: { pending: 0n, sharedPending: 0n, blocked: 0n, ignored: 0n, caught: 0n },
    ...{ files: task.files, fs: task.fs, exe: task.fs.root },
    cmdline: () => 'prog\0arg\0',
    environ: () => 'A=1\0',
    maps: () => [],
  };
}

function world(): { world: TestWorld; task: TestTask } {
  const world = new TestWorld();
  const task = world.task(1);
  const find = (pid: number) => world.tasks.find(({ caller }) => caller.pid === pid);
  const view: KernelView = {
    pids: () => world.tasks.map(({ caller }) => caller.pid),
    process: (pid) => {
      const found = find(pid);
      return found && viewOf(found);
    },
    processOfThread: () => undefined,
    ...{
      uptimeNs: 61_230_000_000n,
      idleNs: 0n,
      userNs: 0n,
      systemNs: 0n,
      bootTimeS: 1000,
      loadAverages: [0, 0.5, 1],
    },
    ...{ runnable: 1, tasks: 2, lastPid: 7, forks: 7, contextSwitches: 0, interrupts: 0 },
    memory: { total: 1 << 20, free: 1 << 19, cached: 0, shared: 0 },
    cpu: { vendor: 'v', family: 6, model: 1, stepping: 1, modelName: 'm', mhz: 1, flags: ['fpu'] },
    names: { release: '1.2.3', version: '#1', nodename: 'host', domainname: 'd' },
    commandLine: 'quiet',
    random: (into) => into.fill(0xab),
    logText: () => '',
    net: { dev: () => 'devices\n' },
    ipc: { shm: () => 'segments\n' },
    settings: { sem: { get: () => [1, 2], set: () => 0 } },
  };
  world.side.addKernel(view, { consoles: () => ['hvc0'], interfaces: () => ({ eth0: { mtu: '1500' } }) });
  for (const type of ['proc', 'sysfs']) {
    task.call('mkdir', `/${type}`, 0o755);
    expect(task.call('mount', type, `/${type}`, type, 0, 0)).toBe(0);
  }
  return { world, task };
}

describe('procfs', () => {
  it('lists processes as they come and go', () => {
    const { world: all, task } = world();
    const pids = () => (task.names('/proc') as string[]).filter((name) => /^\d+$/.test(name));
    expect(pids()).toEqual(['1']);
    all.task(42);
    expect(pids()).toEqual(['1', '42']);
    expect(task.readFile('/proc/42/comm')).toBe('task 42\n');
    expect(task.readFile('/proc/43/comm')).toBe(-E.NOENT);
    expect(task.readFile('/proc/1/cmdline')).toBe('prog\0arg\0');
    expect((task.readFile('/proc/1/stat') as string).split(' ').slice(0, 4)).toEqual([
      '1',
      '(task',
      '1)',
      'S',
    ]);
  });

  it('self is whoever looks', () => {
    const { world: all, task } = world();
    const other = all.task(42);
    expect(task.readFile('/proc/self/comm')).toBe('task 1\n');
    expect(other.readFile('/proc/self/comm')).toBe('task 42\n');
  });

  it('descriptors can be opened again by name, files and pipes', () => {
    const { task } = world();
    task.writeFile('/f', 'contents');
    const fd = task.call('open', '/f', 0);
    task.call('unlink', '/f');
    expect(task.readFile(`/proc/self/fd/${fd}`)).toBe('contents');
    const va = task.allocate(4096);
    const length = task.call('readlink', `/proc/self/fd/${fd}`, va, 4096);
    expect(String.fromCharCode(...task.user.bytes.subarray(va, va + length))).toBe('/f (deleted)');
    task.call('pipe', va);
    const [reader, writer] = [task.user.read32(va)!, task.user.read32(va + 4)!];
    const again = task.call('open', `/proc/self/fd/${writer}`, 1);
    task.writeText(again, 'through');
    expect(task.readText(reader)).toBe('through');
    task.writeText(writer, 'left');
    for (const fd of [writer, again]) task.call('close', fd);
    // Nobody can become the writer of a pipe without a name: the reader does not wait for one.
    expect(task.readFile(`/proc/self/fd/${reader}`)).toBe('left');
  });

  it('shows others only what they may see', () => {
    const { world: all } = world();
    const user = all.user(100);
    expect(user.readFile('/proc/1/stat')).toContain('task 1');
    expect(user.readFile('/proc/1/environ')).toBe(-E.ACCES);
    expect(user.call('open', '/proc/1/fd', 0)).toBe(-E.ACCES);
  });

  it('tells mounts as this process sees them', () => {
    const { task } = world();
    task.call('mkdir', '/a b', 0o755);
    task.call('mount', 'none', '/a b', 'tmpfs', 6, 'size=1m');
    expect(task.readFile('/proc/mounts')).toBe(
      'rootfs / rootfs rw 0 0\nproc /proc proc rw,relatime 0 0\nsysfs /sysfs sysfs rw,relatime 0 0\n' +
        'none /a\\040b tmpfs rw,nosuid,nodev,relatime,size=1m 0 0\n',
    );
    task.call('chroot', '/a b');
    expect(task.readFile('/proc/mounts')).toBe(-E.NOENT);
  });

  it('takes settings', () => {
    const { task } = world();
    task.writeFile('/proc/sys/kernel/hostname', 'other\n');
    expect(task.readFile('/proc/sys/kernel/hostname')).toBe('other\n');
    expect(task.call('open', '/proc/uptime', 1)).toBeGreaterThanOrEqual(0);
    expect(task.readFile('/proc/uptime')).toBe('61.23 0.00\n');
    expect(task.readFile('/proc/sys/kernel/random/uuid')).toBe('abababab-abab-4bab-abab-abababababab\n');
  });

  it('sysfs shows interfaces and the console', () => {
    const { task } = world();
    expect(task.names('/sysfs/class/net')).toEqual(['eth0']);
    expect(task.readFile('/sysfs/class/net/eth0/mtu')).toBe('1500\n');
    expect(task.readFile('/sysfs/class/tty/console/active')).toBe('hvc0\n');
  });
});
