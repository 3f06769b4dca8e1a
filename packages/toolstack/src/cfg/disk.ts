import { fail, ok, quote, type Result } from '../result.ts';
import { vdevNumber } from './vdev.ts';

/** One entry of `disk = [ … ]`. */
export interface DiskSpec {
  /** File or block device on the host; '' for an empty CD-ROM drive. */
  readonly target: string;
  /** How the file holds the disk. */
  readonly format: DiskFormat;
  /** As given: xvda, hdc1, … */
  readonly vdev: string;
  /** Device number in XenStore. */
  readonly devid: number;
  readonly readonly: boolean;
  readonly cdrom: boolean;
  /** Whether the backend may announce discard. */
  readonly discard: boolean;
  /** Changes stay in memory, and the file as it is (`snapshot`; not one of xl's). */
  readonly snapshot: boolean;
}

/** Formats that are served. */
export type DiskFormat = 'raw' | 'qcow2';

interface Draft {
  target: string | null;
  format: string | null;
  vdev: string | null;
  access: string | null;
  accessTakenByPosition: boolean;
  cdrom: boolean;
  discard: boolean;
  snapshot: boolean;
  deprecatedPrefix: boolean;
}

const FORMATS = ['raw', 'qcow', 'qcow2', 'vhd', 'qed', 'empty'];
const IGNORED_KEYS = new Set(['backendtype', 'specification']);
const UNSUPPORTED_KEYS = new Set([
  'backend',
  'script',
  'colo-host',
  'colo-port',
  'colo-export',
  'active-disk',
  'hidden-disk',
]);
const IGNORED_FLAGS = new Set(['direct-io-safe', 'trusted', 'untrusted', 'no-colo']);
const FORMAT_PREFIX = /^(raw|qcow2?|vhd):/;
const IGNORED_PREFIX = /^(?:tapdisk|tap2?|aio|ioemu|file|phy):/;
const OTHER_PREFIX = /^(?:(?:iscsi|e?nbd|drbd):|[a-z][a-z0-9]*:(?![a-z0-9]))/;

/**
 * Parses one disk specification: positional `target,format,vdev,access`, key=value in any place, a final `target=` that
 * takes the rest, and the deprecated `file:/x,xvda,w` and `phy:` forms.
 * @returns the disk, or what is wrong; only raw and qcow2 and backends in domain 0 are served
 * Source: xl-disk-configuration(5), tools/libs/util/libxlu_disk_l.l
 */
export function parseDisk(spec: string): Result<DiskSpec> {
  const draft: Draft = {
    target: null,
    format: null,
    vdev: null,
    access: null,
    accessTakenByPosition: false,
    cdrom: false,
    discard: true,
    snapshot: false,
    deprecatedPrefix: false,
  };
  let rest = spec;
  for (;;) {
    rest = rest.replace(/^[ \t\n]+/, '');
    if (rest === '') break;
    const step = takeParameter(draft, rest);
    if (!step.ok) return step;
    rest = rest.slice(step.value);
  }
  return finish(draft);
}

/** @returns how many characters of `rest` the parameter took */
function takeParameter(draft: Draft, rest: string): Result<number> {
  if (rest.startsWith('target=')) {
    return setOnce(draft, 'target', rest.slice('target='.length)) ?? ok(rest.length);
  }
  const format = FORMAT_PREFIX.exec(rest);
  if (format) {
    draft.deprecatedPrefix = true;
    return setFormat(draft, format[1]) ?? ok(format[0].length);
  }
  const ignored = IGNORED_PREFIX.exec(rest);
  if (ignored) {
    draft.deprecatedPrefix = true;
    return ok(ignored[0].length);
  }
  const other = OTHER_PREFIX.exec(rest);
  if (other) return fail(`unknown prefix ${quote(other[0])}; expected file:, phy: or a path`);
  const comma = rest.indexOf(',');
  const item = comma < 0 ? rest : rest.slice(0, comma);
  const taken = comma < 0 ? rest.length : comma + 1;
  const equals = item.indexOf('=');
  const named = /^[a-z][-_a-z0-9]*$/.test(item.slice(0, Math.max(equals, 0)));
  if (equals >= 0 && !named) {
    return fail(`"=" in ${quote(item)}; expected such a path last, as target=PATH`);
  }
  const fault = named
    ? setNamed(draft, item.slice(0, equals), item.slice(equals + 1))
    : setPositionalOrFlag(draft, item);
  return fault ?? ok(taken);
}

type Fault = Result<never> | null;

function setNamed(draft: Draft, key: string, value: string): Fault {
  if (key === 'format') return setFormat(draft, value);
  if (key === 'vdev') return setOnce(draft, 'vdev', value);
  if (key === 'access') {
    draft.access = value;
    return null;
  }
  if (key === 'devtype') return setDevtype(draft, value);
  if (IGNORED_KEYS.has(key)) return null;
  if (UNSUPPORTED_KEYS.has(key))
    return fail(`${key}= is not supported; expected a file or device of this host`);
  return fail(`unknown parameter ${quote(key)}; expected target, format, vdev, access or devtype`);
}

function setPositionalOrFlag(draft: Draft, item: string): Fault {
  if (item === 'cdrom') return setDevtype(draft, 'cdrom');
  if (item === 'discard' || item === 'no-discard') {
    draft.discard = item === 'discard';
    return null;
  }
  if (item === 'snapshot') {
    draft.snapshot = true;
    return null;
  }
  if (IGNORED_FLAGS.has(item)) return null;
  if (draft.target === null) return setOnce(draft, 'target', item);
  if (!draft.deprecatedPrefix && draft.format === null) {
    if (draft.target === '' && item.includes(':')) {
      draft.format = 'empty';
      return setVdevAndDevtype(draft, item);
    }
    return setFormat(draft, item);
  }
  if (draft.vdev === null)
    return item.includes(':') ? setVdevAndDevtype(draft, item) : setOnce(draft, 'vdev', item);
  if (!draft.accessTakenByPosition) {
    draft.accessTakenByPosition = true;
    draft.access = item;
    return null;
  }
  return fail(`${quote(item)} is one parameter too many; expected target,format,vdev,access`);
}

/** The deprecated `hdc:cdrom`. */
function setVdevAndDevtype(draft: Draft, item: string): Fault {
  const colon = item.lastIndexOf(':');
  return setOnce(draft, 'vdev', item.slice(0, colon)) ?? setDevtype(draft, item.slice(colon + 1));
}

function setDevtype(draft: Draft, value: string): Fault {
  if (value !== 'cdrom' && value !== 'disk')
    return fail(`devtype ${quote(value)} is unknown; expected cdrom or disk`);
  draft.cdrom = value === 'cdrom';
  return null;
}

function setFormat(draft: Draft, value: string): Fault {
  const format = value === '' ? 'raw' : value;
  if (!FORMATS.includes(format)) return fail(`format ${quote(value)} is unknown; expected raw or qcow2`);
  return setOnce(draft, 'format', format);
}

/** An empty value may be given again, as xl allows for the target. */
function setOnce(draft: Draft, field: 'target' | 'vdev' | 'format', value: string): Fault {
  const before = draft[field];
  if (before !== null && before !== '' && before !== value)
    return fail(`${field} is given twice; expected it once`);
  draft[field] = value;
  return null;
}

function finish(draft: Draft): Result<DiskSpec> {
  const access = draft.access ?? '';
  if (!['', 'r', 'ro', 'w', 'rw'].includes(access)) {
    return fail(`access ${quote(access)} is unknown; expected r, ro, w or rw`);
  }
  if (draft.vdev === null || draft.vdev === '') return fail('no vdev; expected one such as xvda');
  const devid = vdevNumber(draft.vdev.trimEnd());
  if (!devid.ok) return devid;
  const target = draft.target ?? '';
  if (target === '' && !draft.cdrom) return fail('no target; expected a file or block device');
  const format = draft.format ?? 'raw';
  if (format !== 'raw' && format !== 'qcow2' && format !== 'empty')
    return fail(`format ${format} is not supported; expected raw or qcow2`);
  return ok({
    target,
    format: format === 'qcow2' ? 'qcow2' : 'raw',
    vdev: draft.vdev.trimEnd(),
    devid: devid.value,
    readonly: draft.cdrom || access === 'r' || access === 'ro',
    cdrom: draft.cdrom,
    discard: draft.discard,
    snapshot: draft.snapshot,
  });
}
