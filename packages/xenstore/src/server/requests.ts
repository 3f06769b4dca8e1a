import {
  XENSTORE_PAYLOAD_MAX,
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_ERROR,
  XS_GET_DOMAIN_PATH,
  XS_GET_PERMS,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESET_WATCHES,
  XS_RESUME,
  XS_RM,
  XS_SET_PERMS,
  XS_SET_TARGET,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
} from '@domu/xen-abi';
import type { WatchSink, XenStoreConnection } from './connection.ts';
import type { XsErrno } from './errors.ts';
import { fromText } from './payload.ts';
import type { Handler, Request } from './request-context.ts';
import {
  control,
  getDomainPath,
  introduce,
  isDomainIntroduced,
  release,
  resume,
  setTarget,
} from './requests-domain.ts';
import { directory, directoryPart, getPermsOf, mkdir, read, rm, setPermsOf, write } from './requests-node.ts';
import { transactionEnd, transactionStart } from './requests-transaction.ts';
import { resetWatches, unwatch, watch } from './requests-watch.ts';
import type { StoreCore } from './store-core.ts';

interface Row {
  readonly handler: Handler;
  /** For dom0 only. */
  readonly privileged?: true;
  /** The transaction id in the header means nothing. */
  readonly ignoresTransaction?: true;
}

/** Every request type that is served. Source: tools/xenstored/core.c, "wire_funcs" @ RELEASE-4.18.0 */
const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [XS_CONTROL, { handler: control, privileged: true }],
  [XS_DIRECTORY, { handler: directory }],
  [XS_READ, { handler: read }],
  [XS_GET_PERMS, { handler: getPermsOf }],
  [XS_WATCH, { handler: watch, ignoresTransaction: true }],
  [XS_UNWATCH, { handler: unwatch, ignoresTransaction: true }],
  [XS_TRANSACTION_START, { handler: transactionStart }],
  [XS_TRANSACTION_END, { handler: transactionEnd }],
  [XS_INTRODUCE, { handler: introduce, privileged: true }],
  [XS_RELEASE, { handler: release, privileged: true }],
  [XS_GET_DOMAIN_PATH, { handler: getDomainPath }],
  [XS_WRITE, { handler: write }],
  [XS_MKDIR, { handler: mkdir }],
  [XS_RM, { handler: rm }],
  [XS_SET_PERMS, { handler: setPermsOf }],
  [XS_IS_DOMAIN_INTRODUCED, { handler: isDomainIntroduced, privileged: true }],
  [XS_RESUME, { handler: resume, privileged: true }],
  [XS_SET_TARGET, { handler: setTarget, privileged: true }],
  [XS_RESET_WATCHES, { handler: resetWatches }],
  [XS_DIRECTORY_PART, { handler: directoryPart }],
]);

/**
 * Serves one request.
 * @param events takes events of watches that it registers, from now on
 * @param reply  called exactly once, with the reply's type and payload (at most XENSTORE_PAYLOAD_MAX bytes)
 * Preconditions: * the payload is no longer than XENSTORE_PAYLOAD_MAX
 */
export function serve(
  core: StoreCore,
  connection: XenStoreConnection,
  { type, txId, payload }: Request,
  events: WatchSink,
  reply: (type: number, payload: Uint8Array) => void,
): void {
  const fail = (errno: XsErrno): void => reply(XS_ERROR, fromText(`${errno}\0`));
  const row = ROWS.get(type);
  const transaction = row?.ignoresTransaction ? null : (connection.transactions.get(txId) ?? null);
  const refused = check(row, connection, transaction !== null || txId === 0);
  if (row === undefined || refused !== null) {
    fail(refused ?? 'ENOSYS');
    return;
  }
  const answer = (body: Uint8Array): void => {
    if (body.length > XENSTORE_PAYLOAD_MAX) fail('E2BIG');
    else reply(type, body);
  };
  const outcome = row.handler({ core, connection, payload, txId, transaction, events, reply: answer });
  if (outcome !== null) fail(outcome);
}

function check(row: Row | undefined, connection: XenStoreConnection, txKnown: boolean): XsErrno | null {
  if (row === undefined) return 'ENOSYS';
  if (row.privileged && !connection.privileged) return 'EACCES';
  return txKnown || row.ignoresTransaction ? null : 'ENOENT';
}
