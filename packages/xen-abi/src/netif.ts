/** Network device protocol. Source: xen/include/public/io/netif.h @ RELEASE-4.18.0 */
import { array, bytes, nested, s16, struct, u8, u16, u32, union } from './struct.ts';

/** Slots per packet that every backend accepts. */
export const XEN_NETIF_NR_SLOTS_MIN = 18;
export const XEN_NETIF_MAX_TX_SIZE = 0xffff;

/** netif_tx_request.flags: the protocol checksum is still to be filled in. */
export const NETTXF_csum_blank = 1;
/** netif_tx_request.flags: the packet's data needs no check. */
export const NETTXF_data_validated = 2;
/** netif_tx_request.flags: the packet continues in the next slot. */
export const NETTXF_more_data = 4;
/** netif_tx_request.flags: the next slot is a netif_extra_info. */
export const NETTXF_extra_info = 8;

/** netif_rx_response.flags; beware, the first two are swapped against NETTXF_*. */
export const NETRXF_data_validated = 1;
export const NETRXF_csum_blank = 2;
export const NETRXF_more_data = 4;
export const NETRXF_extra_info = 8;
export const NETRXF_gso_prefix = 16;

/** netif_extra_info.type. */
export const XEN_NETIF_EXTRA_TYPE_NONE = 0;
export const XEN_NETIF_EXTRA_TYPE_GSO = 1;
export const XEN_NETIF_EXTRA_TYPE_MCAST_ADD = 2;
export const XEN_NETIF_EXTRA_TYPE_MCAST_DEL = 3;
export const XEN_NETIF_EXTRA_TYPE_HASH = 4;
export const XEN_NETIF_EXTRA_TYPE_MAX = 5;
/** netif_extra_info.flags: another netif_extra_info follows. */
export const XEN_NETIF_EXTRA_FLAG_MORE = 1;
/** netif_extra_info.u.gso.type. */
export const XEN_NETIF_GSO_TYPE_NONE = 0;
export const XEN_NETIF_GSO_TYPE_TCPV4 = 1;
export const XEN_NETIF_GSO_TYPE_TCPV6 = 2;

/** Status of a response. A receive response holds a length when it is >= 0. */
export const NETIF_RSP_DROPPED = -2;
export const NETIF_RSP_ERROR = -1;
export const NETIF_RSP_OKAY = 0;
/** The slot held extra info and needs no response of its own. */
export const NETIF_RSP_NULL = 1;

/** Status of a control-ring response. */
export const XEN_NETIF_CTRL_STATUS_SUCCESS = 0;
export const XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED = 1;
export const XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER = 2;
export const XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW = 3;

/** struct netif_tx_request. */
export const NetifTxRequest = struct('netif_tx_request', {
  gref: u32, // [front]
  offset: u16, // of the data in the page        [front]
  flags: u16, // NETTXF_*                         [front]
  id: u16, // echoed                              [front]
  size: u16, // first slot: bytes of the whole packet; others: of the slot [front]
});

/** struct netif_tx_response. */
export const NetifTxResponse = struct('netif_tx_response', {
  id: u16, // [back]
  status: s16, // NETIF_RSP_* [back]
});

/** struct netif_rx_request. */
export const NetifRxRequest = struct('netif_rx_request', {
  id: u16, // echoed   [front]
  pad: u16,
  gref: u32, // page to fill [front]
});

/** struct netif_rx_response. */
export const NetifRxResponse = struct('netif_rx_response', {
  id: u16, // [back]
  offset: u16, // of the data in the page    [back]
  flags: u16, // NETRXF_*                     [back]
  status: s16, // NETIF_RSP_* or bytes in this slot [back]
});

/** struct netif_extra_info: takes the place of a request or response in a slot. */
export const NetifExtraInfo = struct('netif_extra_info', {
  type: u8, // XEN_NETIF_EXTRA_TYPE_*
  flags: u8, // XEN_NETIF_EXTRA_FLAG_*
  u: nested(
    union('', {
      gso: nested(struct('', { size: u16, type: u8, pad: u8, features: u16 })), // size: bytes per segment
      mcast: nested(struct('', { addr: bytes(6) })),
      hash: nested(struct('', { type: u8, algorithm: u8, value: bytes(4) })),
      pad: array(u16, 3),
    }),
  ),
});

/** struct xen_netif_ctrl_request. */
export const XenNetifCtrlRequest = struct('xen_netif_ctrl_request', {
  id: u16,
  type: u16,
  data: array(u32, 3),
});

/** struct xen_netif_ctrl_response. */
export const XenNetifCtrlResponse = struct('xen_netif_ctrl_response', {
  id: u16,
  type: u16,
  status: u32, // XEN_NETIF_CTRL_STATUS_*
  data: u32,
});
