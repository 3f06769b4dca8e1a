import {
  type DomainConfig,
  formatConfigError,
  type ImageReport,
  inspectImage,
  parseXlCfg,
} from '@domu/toolstack';
import { DEFAULT_MEMORY_MIB } from '@domu/toolstack/limits';
import { EXIT_OK, EXIT_USAGE } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';
import { BUILT_IN_KERNEL, builtInImage } from '../run/built-in-kernel.ts';
import { NOWHERE, readInput } from '../run/files.ts';
import { coloursFor } from '../terminal/colours.ts';
import { UserError } from '../user-error.ts';
import { reportJson } from './json.ts';
import { reportText } from './text.ts';

/** What `domu info` was asked. */
export interface InfoOptions {
  readonly image: string;
  readonly json: boolean;
  readonly check: boolean;
  /** null: what the configuration says, or the default. */
  readonly memoryMiB: number | null;
  readonly ramdisk: string | null;
}

/** What is to be looked at: a kernel, and the configuration that names it. */
interface Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly config: DomainConfig | null;
}

/**
 * `domu info`.
 * @returns the exit code
 * Errors: UserError for a file that cannot be read
 */
export function info(options: InfoOptions, io: HostIo): number {
  const subject = subjectOf(options.image);
  const { config } = subject;
  const ramdisk = options.ramdisk ?? config?.ramdisk?.value ?? null;
  const report = inspectImage(subject.bytes, {
    memoryMiB: options.memoryMiB ?? config?.memoryMiB.value ?? DEFAULT_MEMORY_MIB,
    ramdiskBytes: ramdisk === null ? 0 : readInput(ramdisk, '--ramdisk', 'a RAM disk file').length,
    wantedFeatures: config?.features.value ?? 0,
  });
  if (options.check) return check(subject.name, report, io);
  const where = config === null ? null : options.image;
  io.stdout.write(
    options.json
      ? `${JSON.stringify(reportJson(subject.name, where, report), null, 2)}\n`
      : reportText(subject.name, where, report, coloursFor(io.stdout)),
  );
  return EXIT_OK;
}

function check(name: string, { boot }: ImageReport, io: HostIo): number {
  if (boot.ok) return EXIT_OK;
  io.stderr.write(`domu: ${name}: ${boot.why}; ${boot.advice}\n`);
  return EXIT_USAGE;
}

/** Errors: UserError */
function subjectOf(image: string): Subject {
  if (image === BUILT_IN_KERNEL) return { name: image, bytes: builtInImage(), config: null };
  const bytes = readInput(image, NOWHERE, 'a kernel or an xl.cfg file');
  const config = configurationIn(bytes, image);
  if (!config?.kernel) return { name: image, bytes, config: null };
  return { ...subjectOfKernel(config.kernel.value, config.kernel.where), config };
}

function subjectOfKernel(name: string, where: string): Pick<Subject, 'name' | 'bytes'> {
  return { name, bytes: name === BUILT_IN_KERNEL ? builtInImage() : readInput(name, where, 'a kernel file') };
}

const NAMES_A_KERNEL = /^\s*kernel\s*=/m;

/** @returns null when the file is no configuration that names a kernel. Errors: UserError for one with a mistake */
function configurationIn(bytes: Uint8Array, path: string): DomainConfig | null {
  if (bytes.subarray(0, 4096).includes(0)) return null;
  const text = Buffer.from(bytes).toString('utf8');
  if (text.startsWith('#!')) return null;
  const config = parseXlCfg(text, path);
  if (config.ok) return config.value.kernel === null ? null : config.value;
  // Shell variables and prose look like a configuration up to some line.
  if (!NAMES_A_KERNEL.test(text)) return null;
  throw new UserError(formatConfigError(config.error));
}
