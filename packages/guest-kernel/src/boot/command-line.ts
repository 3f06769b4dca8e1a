/** What the kernel understands of its command line. */
export interface KernelOptions {
  /** Path of the first program, or null: the usual ones are tried. */
  readonly init: string | null;
  /** Arguments that the kernel does not know, and all behind `--`: init gets them. */
  readonly initArguments: readonly string[];
  /** NAME=VALUE that the kernel does not know. */
  readonly initEnvironment: readonly string[];
  /** Device of the root file system, or null: the initramfs. */
  readonly root: string | null;
  readonly rootType: string | null;
  readonly rootFlags: string;
  readonly readonly: boolean;
  /** How network interfaces are configured (`ip=`), or null: not said. */
  readonly ip: string | null;
  /** Only warnings are shown on the console. */
  readonly quiet: boolean;
}

/** Source: Linux Documentation/admin-guide/kernel-parameters.txt. */
export function parseCommandLine(text: string): KernelOptions {
  const options = {
    init: null as string | null,
    initArguments: [] as string[],
    initEnvironment: [] as string[],
    root: null as string | null,
    rootType: null as string | null,
    rootFlags: '',
    readonly: false,
    ip: null as string | null,
    quiet: false,
  };
  let behind = false;
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const [name, ...rest] = word.split('=');
    const value = rest.join('=');
    if (behind) options.initArguments.push(word);
    else if (word === '--') behind = true;
    else if (name === 'init' || name === 'rdinit') options.init = value;
    else if (name === 'root') options.root = value;
    else if (name === 'rootfstype') options.rootType = value;
    else if (name === 'rootflags') options.rootFlags = value;
    else if (word === 'ro') options.readonly = true;
    else if (word === 'rw') options.readonly = false;
    else if (name === 'ip') options.ip = value;
    else if (word === 'quiet') options.quiet = true;
    else if (KNOWN.has(name) || name.includes('.')) continue;
    else if (word.includes('=')) options.initEnvironment.push(word);
    else options.initArguments.push(word);
  }
  return options;
}

/** Known to Linux, without meaning here. */
const KNOWN = new Set(['console', 'earlyprintk', 'panic', 'loglevel', 'debug', 'mem', 'rootwait', 'xencons']);
