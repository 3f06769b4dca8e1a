import { domId } from '@domu/xen-abi';
import { domainPath, type StoreAccess, type XenStore } from '@domu/xenstore/server';

/** What XenStore says about a domain besides its devices. */
export interface DomainNodes {
  readonly domid: number;
  readonly name: string;
  readonly uuid: string;
  readonly memoryKiB: number;
  readonly maxMemoryKiB: number;
  /** Every vCPU of the domain; true: to be online. */
  readonly vcpus: readonly boolean[];
  /** Event channel port (the guest's own) and machine frame of a ring. */
  readonly store: { readonly port: number; readonly mfn: number };
  readonly console: { readonly port: number; readonly mfn: number };
}

/** Bytes that the console daemon buffers. Source: tools/libs/light/libxl_internal.h, LIBXL_XENCONSOLE_LIMIT */
const CONSOLE_LIMIT_BYTES = 1048576;

/**
 * Writes the nodes of a new domain, all at once: /local/domain/N, /vm/UUID and the console's.
 * Source: tools/libs/light/libxl_create.c, libxl__domain_make; libxl_dom.c, libxl__build_post; libxl_console.c
 */
export function createDomainNodes(store: XenStore, nodes: DomainNodes): void {
  store.transaction((tx) => {
    const readOnly = ['n0', `r${nodes.domid}`];
    const writable = [`n${nodes.domid}`];
    const home = domainHome(nodes.domid);
    const vm = `/vm/${nodes.uuid}`;
    for (const path of [home, vm, `${home}/cpu`, `${home}/memory`, `${home}/device`, `${home}/control`]) {
      makeNode(tx, path, readOnly);
    }
    for (const path of GUEST_WRITABLE) makeNode(tx, `${home}/${path}`, writable);
    writeAll(tx, vm, { uuid: nodes.uuid, name: nodes.name, 'image/ostype': 'linux' });
    writeAll(tx, home, {
      vm,
      name: nodes.name,
      domid: String(nodes.domid),
      uuid: nodes.uuid,
      'memory/static-max': String(nodes.maxMemoryKiB),
      'memory/target': String(nodes.memoryKiB),
      'memory/videoram': '0',
      'store/port': String(nodes.store.port),
      'store/ring-ref': String(nodes.store.mfn),
      'control/platform-feature-multiprocessor-suspend': '1',
      'control/platform-feature-xs_reset_watches': '1',
    });
    nodes.vcpus.forEach((online, i) => {
      tx.write(`${home}/cpu/${i}/availability`, online ? 'online' : 'offline');
    });
    writeConsole(tx, nodes);
  });
}

/** Removes everything that `createDomainNodes` and the device nodes put there. */
export function removeDomainNodes(store: XenStore, domid: number, uuid: string): void {
  store.transaction((tx) => {
    tx.rm(domainHome(domid));
    tx.rm(`/vm/${uuid}`);
    for (const kind of tx.directory('/local/domain/0/backend') ?? []) {
      tx.rm(`/local/domain/0/backend/${kind}/${domid}`);
    }
  });
}

/** "/local/domain/N" */
export function domainHome(domid: number): string {
  return domainPath(domId(domid));
}

/** Writes several nodes below one. */
export function writeAll(tx: StoreAccess, base: string, nodes: Readonly<Record<string, string>>): void {
  for (const [path, value] of Object.entries(nodes)) tx.write(`${base}/${path}`, value);
}

/** Makes an empty node with permissions; children made later inherit them. */
export function makeNode(tx: StoreAccess, path: string, permissions: readonly string[]): void {
  tx.write(path, '');
  tx.setPerms(path, permissions);
}

const GUEST_WRITABLE = [
  'device/suspend/event-channel',
  'control/shutdown',
  'control/feature-poweroff',
  'control/feature-reboot',
  'control/feature-suspend',
  'control/sysrq',
  'data',
  'drivers',
  'feature',
  'attr',
  'error',
];

/** The primary console has no xenbus handshake: its ring is in start_info, its directory is the daemon's. */
function writeConsole(tx: StoreAccess, nodes: DomainNodes): void {
  const front = `${domainHome(nodes.domid)}/console`;
  const back = `/local/domain/0/backend/console/${nodes.domid}/0`;
  makeNode(tx, front, ['n0', `r${nodes.domid}`]);
  writeAll(tx, front, {
    backend: back,
    'backend-id': '0',
    limit: String(CONSOLE_LIMIT_BYTES),
    type: 'xenconsoled',
    output: 'pty',
    tty: '',
    port: String(nodes.console.port),
    'ring-ref': String(nodes.console.mfn),
  });
  makeNode(tx, back, ['n0', `r${nodes.domid}`]);
  writeAll(tx, back, {
    frontend: front,
    'frontend-id': String(nodes.domid),
    online: '1',
    state: '1',
    protocol: 'vt100',
  });
}
