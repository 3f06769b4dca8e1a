import { type Command, Option } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import {
  CLOCKS,
  type ClockKind,
  ENGINES,
  type EngineKind,
  memoryOption,
  timeoutOption,
  vcpusOption,
} from './options.ts';
import { expectStep, type ScriptStep, typeStep } from './script.ts';

interface ParsedOptions {
  kernel?: string;
  ramdisk?: string;
  rootfs?: string;
  symbols?: string;
  cmdline?: string;
  memory?: number;
  vcpus?: number;
  disk?: string[];
  snapshot?: boolean;
  vif?: string[];
  net?: string;
  pcap?: string[];
  console: string;
  log?: string;
  timeout?: number;
  clock: ClockKind;
  engine: EngineKind;
  stats?: string;
  trace?: string;
  control: boolean;
  core?: string;
}

/** `domu run`. */
export function runCommand(context: CommandContext): Command {
  const { io, done } = context;
  const script: ScriptStep[] = [];
  const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  return newCommand(context, 'run')
    .summary('boot a guest')
    .description(
      'Boots a guest and connects its console to this terminal; Ctrl-] leaves.\nGUEST is an xl.cfg file or a 32-bit Xen PV kernel, or guest-kernel for the built-in one. Options override the file.',
    )
    .usage('GUEST [OTHER...] [OPTIONS]')
    .argument('<GUEST>', 'xl.cfg file or kernel')
    .argument('[OTHER...]', 'further guests on the same machine; options are for the first')
    .optionsGroup('Guest:')
    .option('--kernel <FILE>', 'kernel: a 32-bit Xen PV image, ELF or bzImage')
    .option('--ramdisk <FILE>', 'initial RAM disk')
    .option(
      '--rootfs <PATH>',
      'root of the built-in kernel: a directory, a tar or cpio archive, or an ext2 image',
    )
    .option('--symbols <FILE>', 'System.map or unstripped kernel, for the names in crash traces')
    .option('--cmdline <TEXT>', 'kernel command line')
    .option('--memory <MiB>', 'memory (default 128)', memoryOption)
    .option('--vcpus <N>', 'virtual CPUs (default 1)', vcpusOption)
    .option(
      '--disk <SPEC>',
      "virtual disk in xl's syntax, such as FILE,raw,xvda,w or FILE,qcow2,xvda,w; repeatable; replaces the file's disks",
      list,
    )
    .option('--snapshot', "keep what guests write to disks in memory; the disks' files stay as they are")
    .option(
      '--net <KIND>',
      "one network interface, in place of the file's: user (host sockets), switch[=NAME] (joins the guests), none; with hostfwd=tcp:127.0.0.1:2222-:22 and the like behind commas",
    )
    .option('--vif <SPEC>', "network interface in xl's syntax; repeatable; replaces the file's", list)
    .option(
      '--pcap <vifN=FILE>',
      'capture what an interface sends and gets; of another guest NAME/vifN=FILE',
      list,
    )
    .optionsGroup('Console:')
    .option(
      '--console <WHERE>',
      'stdio, none, or a file to write to; of several guests, a terminal shows one (Ctrl-] 1 … 9 switches), else lines have names',
      'stdio',
    )
    .option('--log <FILE>', 'write the console to a file too; %n is the name of the guest')
    .option(
      '--expect <REGEX>',
      'wait until the output since the last match shows the pattern (JavaScript; ^ and $ match at lines); repeatable',
      (value) => {
        script.push(expectStep(value));
      },
    )
    .option('--type <TEXT>', 'then type the text: \\n is Enter, \\xHH a byte; repeatable', (value) => {
      script.push(typeStep(value));
    })
    .optionsGroup('Run:')
    .option('--timeout <SECONDS>', 'give up after so much real time', timeoutOption)
    .addOption(
      new Option(
        '--clock <CLOCK>',
        "guest's time: the host's, or virtual (1 ns an instruction; runs repeat exactly)",
      )
        .choices(CLOCKS)
        .default('host'),
    )
    .addOption(
      new Option('--engine <ENGINE>', 'how instructions run: jit compiles hot code to WebAssembly')
        .choices(ENGINES)
        .default('interpreter'),
    )
    .option('--stats <FILE>', 'write counts and times of the run as JSON')
    .option(
      '--trace <FILE>',
      "write what the machine does, for ui.perfetto.dev or the Performance panel of Chrome's DevTools",
    )
    .option('--no-control', 'no socket by which domu top, dmesg, xenstore and trace look into the machine')
    .option('--core <FILE>', 'where on_crash = "coredump-destroy" puts the core dump (default NAME.core)')
    .optionsGroup('Other:')
    .addHelpText('after', AFTER_HELP)
    .action(async (guest: string, others: string[], options: ParsedOptions) => {
      const { run } = await import('./run.ts');
      done(
        await run(
          {
            guest,
            others,
            kernel: options.kernel ?? null,
            ramdisk: options.ramdisk ?? null,
            rootfs: options.rootfs ?? null,
            symbolsFile: options.symbols ?? null,
            cmdline: options.cmdline ?? null,
            memoryMiB: options.memory ?? null,
            vcpus: options.vcpus ?? null,
            disks: options.disk ?? [],
            snapshot: options.snapshot ?? false,
            vifs: options.vif ?? [],
            net: options.net ?? null,
            isFirst: true,
            captures: options.pcap ?? [],
            console: options.console,
            logFile: options.log ?? null,
            script,
            timeoutSeconds: options.timeout ?? null,
            clock: options.clock,
            engine: options.engine,
            statsFile: options.stats ?? null,
            control: options.control,
            traceFile: options.trace ?? null,
            coreFile: options.core ?? null,
          },
          io,
        ),
      );
    });
}

const AFTER_HELP = `
--expect and --type are one script, played in command-line order; the run ends when it is done.

Exit codes:
    0  the guest powered off, the script is done, or you left with Ctrl-]
    1  an error of domu's own
    2  bad usage, configuration or file; nothing was started
    3  the guest crashed
    4  the guest asked to reboot, and on_reboot is "destroy"
  124  the time is up, or the guest ended while the script still waited
128+N  signal N ended the run

Examples:
  domu run guest.cfg
  domu run vmlinux --disk root.img,raw,xvda,w --cmdline 'root=/dev/xvda console=hvc0'
  domu run server.cfg client.cfg --stats stats.json
  domu run guest.cfg --expect 'login:' --type 'root\\n' --expect '# ' --timeout 60`;
