import { closeSync } from 'node:fs';
import { type Layout, planDomain } from '@domu/toolstack';
import { type Clock, HostClock, VirtualClock } from '@domu/xen-hypervisor';
import { machineMethods } from '../control/machine-methods.ts';
import { runtimeDir } from '../control/runtime-dir.ts';
import { ControlServer } from '../control/server.ts';
import type { HostIo } from '../io.ts';
import { strayCapture } from '../net/plan-vifs.ts';
import { coloursFor } from '../terminal/colours.ts';
import { UserError } from '../user-error.ts';
import { ConsoleLogs } from './console-log.ts';
import { ConsoleMux } from './console-mux.ts';
import { type ConsolePort, openConsole } from './console-port.ts';
import { writeCore } from './core-file.ts';
import { crashText } from './crash-text.ts';
import { openOutput } from './files.ts';
import { type GuestPlan, planGuest, planOther } from './guest-plan.ts';
import { runLoop } from './loop.ts';
import type { ClockKind, RunOptions } from './options.ts';
import { describeOutcome, exitCodeOf, type Outcome } from './outcome.ts';
import { type Progress, Session } from './session.ts';
import { collectStats, writeStats } from './stats.ts';
import { Waker } from './waker.ts';
import { XenHost } from './xen-host.ts';

/** How long a guest may take to power off when a signal has asked it to. */
const POWEROFF_GRACE_MS = 20_000;

/**
 * `domu run`: boots a guest and stays until it ends.
 * @returns the exit code
 * Errors: UserError for bad input, before anything has started
 */
export async function run(options: RunOptions, io: HostIo): Promise<number> {
  const plans: GuestPlan[] = [];
  let statsFd: number | null = null;
  try {
    plans.push(planGuest(options));
    for (const other of options.others) plans.push(planOther(other, options));
    const guests = plans.map((each) => ({ plan: each, layout: layOut(each) }));
    const [plan] = plans;
    refuseSameNames(plans, options);
    refuseStrayCaptures(plans, options);
    statsFd = options.statsFile === null ? null : openOutput(options.statsFile, '--stats');
    for (const each of plans) warn(each, io);
    greet(plan, options, io);
    const waker = new Waker();
    const host = new XenHost(guests, newClock(options.clock), options.engine, {
      wake: () => waker.wake(),
      tell: (text) => void io.stderr.write(`domu: ${text}\n`),
    });
    if (options.traceFile !== null) host.tracing.start(openOutput(options.traceFile, '--trace'));
    const control = options.control ? await openControl(host, () => waker.wake(), io) : null;
    const startNs = process.hrtime.bigint();
    const { outcome, progress, endedPlan } = await runGuest({ host, waker }, plans, options, io).finally(
      () => {
        control?.close();
        host.tracing.stop();
      },
    );
    if (statsFd !== null) {
      const wallNs = Number(process.hrtime.bigint() - startNs);
      writeStats(
        statsFd,
        collectStats(host.machine, {
          outcome,
          progress,
          options,
          memoryMiB: plan.config.memoryMiB.value,
          wallNs,
        }),
      );
    }
    tell(outcome, host, endedPlan, io);
    return exitCodeOf(outcome);
  } finally {
    if (statsFd !== null) closeSync(statsFd);
    for (const plan of plans) plan.close();
  }
}

/** Without a socket the machine runs all the same. */
async function openControl(host: XenHost, wake: () => void, io: HostIo): Promise<ControlServer> {
  const server = new ControlServer(machineMethods(host, wake));
  const problem = await server.listen(runtimeDir());
  if (problem !== null)
    io.stderr.write(`domu: warning: domu top and the like cannot look into this run: ${problem}\n`);
  return server;
}

function layOut(plan: GuestPlan): Layout {
  const memoryMiB = plan.config.memoryMiB.value;
  const layout = planDomain({ kernel: plan.kernel, ramdisk: plan.ramdisk, memoryMiB });
  if (layout.ok) return layout.value;
  const { about, message } = layout.error;
  const { where } = plan.config.memoryMiB;
  const file = plan.config.kernel?.value ?? plan.kernelWhere;
  throw new UserError(`${about === 'memory' ? `${where}: ${file}` : plan.kernelWhere}: ${message}`);
}

function refuseStrayCaptures(plans: readonly GuestPlan[], { captures }: RunOptions): void {
  const names = plans.map(({ config }) => config.name);
  const stray = strayCapture(captures, names);
  if (stray !== undefined)
    throw new UserError(`--pcap: ${JSON.stringify(stray)} is of no guest; expected ${names.join(', ')}`);
}

/** Names are what the toolstack tells guests apart by. */
function refuseSameNames(plans: readonly GuestPlan[], { others }: RunOptions): void {
  for (const [i, { config, uuid }] of plans.entries()) {
    const before = plans.slice(0, i);
    if (before.some((plan) => plan.config.name === config.name || plan.uuid === uuid))
      throw new UserError(
        `${others[i - 1]}: the name or UUID of ${config.name} is another guest's; expected its own`,
      );
  }
}

async function runGuest(
  { host, waker }: { readonly host: XenHost; readonly waker: Waker },
  plans: readonly GuestPlan[],
  options: RunOptions,
  io: HostIo,
): Promise<{ outcome: Outcome; progress: Progress; endedPlan: GuestPlan }> {
  const [plan] = plans;
  const several = plans.length > 1;
  let session: Session | null = null;
  let mux: ConsoleMux | null = null;
  const end = (outcome: Outcome): void => {
    session?.end(outcome);
    waker.wake();
  };
  const names = plans.map(({ config }) => config.name);
  const logs = new ConsoleLogs(options.logFile, names);
  const console: ConsolePort = openConsole(
    options.console,
    io,
    {
      onInput(bytes) {
        session?.input(bytes, mux?.focus);
        waker.wake();
      },
      onSwitch: (guest) => mux?.switchTo(guest - 1),
      onLeave: () => end({ kind: 'left' }),
      onClosed: (cause) => (cause === 'output-gone' ? end({ kind: 'left' }) : waker.wake()),
    },
    { readInput: options.script.length === 0, backPressure: options.clock === 'host', several },
  );
  if (several)
    mux = new ConsoleMux(
      console.sink,
      names,
      options.console === 'stdio' && io.stdout.isTTY === true ? 'switched' : 'prefixed',
    );
  const sinks = plans.map((_, i) => logs.logged(i, mux?.sink(i) ?? console.sink));
  let grace: NodeJS.Timeout | null = null;
  const stopSignals = io.onSignal((signal) => {
    const stop = (): void => end({ kind: 'signal', signal });
    if (grace !== null || signal === 'SIGHUP' || !session?.askToPowerOff()) return stop();
    io.stderr.write('domu: asked the guest to power off; the next signal stops it at once\n');
    grace = setTimeout(stop, POWEROFF_GRACE_MS);
    waker.wake();
  });
  const seconds = options.timeoutSeconds;
  const timer =
    seconds === null
      ? null
      : setTimeout(
          () => end({ kind: 'timeout', seconds, waitingFor: session?.waitingFor ?? null }),
          seconds * 1000,
        );
  const tellSize = (): void => {
    const { isTTY, columns = 0, rows = 0 } = io.stdout;
    if (isTTY !== true || options.console !== 'stdio' || columns < 1 || rows < 1) return;
    session?.resize({ columns, rows });
    waker.wake();
  };
  io.stdout.on('resize', tellSize);
  try {
    session = new Session(
      {
        host,
        plan,
        console,
        sinks,
        onRestart: (why) => tellCrash(why, host, plan, io),
        onDump: (domain) => {
          const file = options.coreFile ?? `${plan.config.name}.core`;
          const problem = writeCore(file, domain);
          io.stderr.write(`domu: ${problem ?? `core dumped to ${file}`}\n`);
        },
      },
      options,
    );
    tellSize();
    const ended = await runLoop(host.machine, session, waker);
    if (ended === 'asleep') session.end({ kind: 'asleep', waitingFor: session.waitingFor });
    const { outcome, progress, endedPlan } = session;
    session.close();
    return { outcome: outcome ?? { kind: 'asleep', waitingFor: null }, progress, endedPlan };
  } finally {
    if (timer !== null) clearTimeout(timer);
    if (grace !== null) clearTimeout(grace);
    stopSignals();
    host.networks.close();
    io.stdout.off('resize', tellSize);
    console.close();
    logs.close();
  }
}

function newClock(kind: ClockKind): Clock {
  return kind === 'virtual' ? new VirtualClock() : new HostClock(() => performance.now() * 1e6, Date.now());
}

/** In a terminal only: a guest may be silent for a while, and Ctrl-C goes to it. */
function greet(plan: GuestPlan, options: RunOptions, io: HostIo): void {
  const interactive = options.console === 'stdio' && options.script.length === 0 && io.stdin.isTTY === true;
  if (!interactive || io.stderr.isTTY !== true) return;
  const { name, memoryMiB } = plan.config;
  io.stderr.write(
    coloursFor(io.stderr).dim(`domu: booting ${name} with ${memoryMiB.value} MiB; Ctrl-] leaves\n`),
  );
}

function warn(plan: GuestPlan, io: HostIo): void {
  for (const warning of plan.config.warnings) io.stderr.write(`domu: warning: ${warning}\n`);
}

function tell(outcome: Outcome, host: XenHost, plan: GuestPlan, io: HostIo): void {
  if (outcome.kind === 'crash') return tellCrash(outcome, host, plan, io);
  const line = describeOutcome(outcome);
  if (line !== null) io.stderr.write(`domu: ${line}\n`);
}

function tellCrash(outcome: Outcome, host: XenHost, plan: GuestPlan, io: HostIo): void {
  if (outcome.kind !== 'crash') return;
  io.stderr.write(`domu: ${describeOutcome(outcome)}\n`);
  if (outcome.report) io.stderr.write(crashText(outcome.report, plan.kernel.symbols, host.xenConsole));
}
