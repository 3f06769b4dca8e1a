/** xenstore's messages and ring. Source: xen/include/public/io/xs_wire.h @ RELEASE-4.18.0 */
import { bytes, struct, u32 } from './struct.ts';

export const XS_CONTROL = 0;
export const XS_DIRECTORY = 1;
export const XS_READ = 2;
export const XS_GET_PERMS = 3;
export const XS_WATCH = 4;
export const XS_UNWATCH = 5;
export const XS_TRANSACTION_START = 6;
export const XS_TRANSACTION_END = 7;
export const XS_INTRODUCE = 8;
export const XS_RELEASE = 9;
export const XS_GET_DOMAIN_PATH = 10;
export const XS_WRITE = 11;
export const XS_MKDIR = 12;
export const XS_RM = 13;
export const XS_SET_PERMS = 14;
export const XS_WATCH_EVENT = 15;
export const XS_ERROR = 16;
export const XS_IS_DOMAIN_INTRODUCED = 17;
export const XS_RESUME = 18;
export const XS_SET_TARGET = 19;
export const XS_RESET_WATCHES = 21;
export const XS_DIRECTORY_PART = 22;
/** One more than the highest type. */
export const XS_TYPE_COUNT = 23;
export const XS_INVALID = 0xffff;
/** Message types, by name. */
export const XS = {
  XS_CONTROL,
  XS_DIRECTORY,
  XS_READ,
  XS_GET_PERMS,
  XS_WATCH,
  XS_UNWATCH,
  XS_TRANSACTION_START,
  XS_TRANSACTION_END,
  XS_INTRODUCE,
  XS_RELEASE,
  XS_GET_DOMAIN_PATH,
  XS_WRITE,
  XS_MKDIR,
  XS_RM,
  XS_SET_PERMS,
  XS_WATCH_EVENT,
  XS_ERROR,
  XS_IS_DOMAIN_INTRODUCED,
  XS_RESUME,
  XS_SET_TARGET,
  XS_RESET_WATCHES,
  XS_DIRECTORY_PART,
} as const;

/** Words that XS_ERROR carries, without the XEN_ prefix they have elsewhere. */
export const XSD_ERRORS = [
  'EINVAL',
  'EACCES',
  'EEXIST',
  'EISDIR',
  'ENOENT',
  'ENOMEM',
  'ENOSPC',
  'EIO',
  'ENOTEMPTY',
  'ENOSYS',
  'EROFS',
  'EBUSY',
  'EAGAIN',
  'EISCONN',
  'E2BIG',
  'EPERM',
] as const;
/** An error's name on the wire: "ENOENT". */
export type XsdError = (typeof XSD_ERRORS)[number];

/** Bytes of one direction of the ring; an index is masked with size - 1. */
export const XENSTORE_RING_SIZE = 1024;
/** Largest payload of a message in bytes. */
export const XENSTORE_PAYLOAD_MAX = 4096;
/** Longest paths in bytes. */
export const XENSTORE_ABS_PATH_MAX = 3072;
export const XENSTORE_REL_PATH_MAX = 2048;

/** xenstore_domain_interface.server_features bits. */
export const XENSTORE_SERVER_FEATURE_RECONNECTION = 1;
export const XENSTORE_SERVER_FEATURE_ERROR = 2;
/** xenstore_domain_interface.connection values. */
export const XENSTORE_CONNECTED = 0;
export const XENSTORE_RECONNECT = 1;
/** xenstore_domain_interface.error values. */
export const XENSTORE_ERROR_NONE = 0;
export const XENSTORE_ERROR_COMM = 1;
export const XENSTORE_ERROR_RINGIDX = 2;
export const XENSTORE_ERROR_PROTO = 3;

/** struct xsd_sockmsg: header of every message. */
export const XsdSockmsg = struct('xsd_sockmsg', {
  type: u32, // XS_*
  req_id: u32, // chosen by the client, echoed in the reply
  tx_id: u32, // transaction, 0 outside one
  len: u32, // bytes of payload that follow
});

/** struct xenstore_domain_interface: the ring page. */
export const XenstoreDomainInterface = struct('xenstore_domain_interface', {
  req: bytes(XENSTORE_RING_SIZE), // to the store
  rsp: bytes(XENSTORE_RING_SIZE), // replies and watch events
  req_cons: u32, // [store]
  req_prod: u32, // [GST]
  rsp_cons: u32, // [GST]
  rsp_prod: u32, // [store]
  server_features: u32, // XENSTORE_SERVER_FEATURE_* [store]
  connection: u32, // XENSTORE_CONNECTED or XENSTORE_RECONNECT [store,GST]
  error: u32, // XENSTORE_ERROR_* [store]
});
