import {
  __HYPERVISOR_console_io,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  CONSOLEIO_write,
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_close,
  EVTCHNOP_send,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_setup_table,
  GNTTABOP_unmap_grant_ref,
} from '@domu/xen-abi';
import { check, hypercall, words } from '../check-program.ts';
import { PLACES } from './places.ts';
import { type Row, row, trapOf } from './program.ts';

const { ARGS, LIST, B, GRANTS, MAPPED } = PLACES;
const EPERM = -1;
const ESRCH = -3;
const EINVAL = -22;
const ENOSYS = -38;
const GENERAL_ERROR = -1;
const BAD_GNTREF = -3;
const BAD_HANDLE = -4;
const BAD_COPY_ARG = -10;
const PAGE_FAULT = 14 << 16;

/** The second domain, and what it lends: pages that hold GRANTED, a port that is for the guest. */
export const PEER = { domid: 2, gref: 9, readonlyGref: 10, port: 3 } as const;
export const GRANTED = 0xcafe;
/** What the guest stores into the page it is lent. */
export const ANSWER = 0xbeef;
/** An entry of the guest's own, for the peer; nobody uses it. */
export const OWN_GREF = 11;
/** What the host types. */
export const TYPED = 'ping';
export const CONSOLE_IO_TEXT = 'by console_io';

const eventOp = (cmd: number, ...args: (number | string)[]): string =>
  [words(ARGS, ...args), hypercall(__HYPERVISOR_event_channel_op, cmd, ARGS)].join('\n');
const grantOp = (cmd: number): string => hypercall(__HYPERVISOR_grant_table_op, cmd, ARGS, 1);
/** The 16-bit status at an offset of ARGS, sign-extended. */
const status16 = (offset: number): string => `movsx eax, word ptr [${ARGS + offset}]`;
const statusOf = (port: string): string =>
  `${eventOp(EVTCHNOP_status, DOMID_SELF, port)}\nmov eax, [${ARGS + 8}]`;
const isPending = (port: string): string =>
  `mov eax, ${port}\nmov ebx, [SHARED]\nbt dword ptr [ebx+0x800], eax\nmov eax, 0\nsetc al`;

const events: Row[] = [
  row(
    'event channels',
    check(
      'alloc_unbound',
      0,
      eventOp(EVTCHNOP_alloc_unbound, DOMID_SELF | (DOMID_SELF << 16), 0),
      `mov ecx, [${ARGS + 4}]\nmov [PORT], ecx`,
    ),
    check('unbound', 1, statusOf('[PORT]')),
    check(
      'bind_interdomain',
      0,
      eventOp(EVTCHNOP_bind_interdomain, DOMID_SELF, '[PORT]', 0),
      `mov ecx, [${ARGS + 8}]\nmov [PEER_PORT], ecx`,
    ),
    check('bound', 2, statusOf('[PORT]')),
    check('binding makes it pending', 1, isPending('[PEER_PORT]')),
    check('send', 0, eventOp(EVTCHNOP_send, '[PEER_PORT]')),
    check('arrives', 1, isPending('[PORT]')),
    check('taken', 0, 'mov eax, [PORT]\ncall wait_port'),
    check(
      'masked',
      0,
      'mov eax, [PORT]\nmov ebx, [SHARED]\nbts dword ptr [ebx+0x880], eax',
      eventOp(EVTCHNOP_send, '[PEER_PORT]'),
    ),
    check('is not selected', 0, 'mov ebx, [SHARED]\nmov eax, [ebx+4]'),
    check('unmask', 0, eventOp(EVTCHNOP_unmask, '[PORT]')),
    check('is selected', 1, 'mov ebx, [SHARED]\nmov eax, [ebx+4]'),
    check('bind_vcpu', 0, eventOp(EVTCHNOP_bind_vcpu, '[PORT]', 0)),
    check('no such vCPU', -2, eventOp(EVTCHNOP_bind_vcpu, '[PORT]', 7)),
    check('close', 0, eventOp(EVTCHNOP_close, '[PEER_PORT]')),
    check('the peer is unbound', 1, statusOf('[PORT]')),
    check('close', 0, eventOp(EVTCHNOP_close, '[PORT]')),
    check('closed', 0, statusOf('[PORT]')),
    check('close twice', EINVAL, eventOp(EVTCHNOP_close, '[PORT]')),
    check('send to nobody', EINVAL, eventOp(EVTCHNOP_send, '[PORT]')),
    check("another domain's port", EPERM, eventOp(EVTCHNOP_alloc_unbound, PEER.domid, 0)),
    check('unknown domain', ESRCH, eventOp(EVTCHNOP_bind_interdomain, 1234, 1, 0)),
  ),
  row(
    'events between domains',
    check(
      'bind',
      0,
      eventOp(EVTCHNOP_bind_interdomain, PEER.domid, PEER.port, 0),
      `mov ecx, [${ARGS + 8}]\nmov [PEER_PORT], ecx`,
    ),
    check('a port that is not for us', EINVAL, eventOp(EVTCHNOP_bind_interdomain, PEER.domid, 1, 0)),
    check('send', 0, eventOp(EVTCHNOP_send, '[PEER_PORT]')),
  ),
];

const mapRequest = (gref: number, flags: number, va: number = MAPPED): string =>
  [words(ARGS, va, 0, flags, gref, PEER.domid, -1, 0, 0), grantOp(GNTTABOP_map_grant_ref), status16(18)].join(
    '\n',
  );
const keepHandle = `mov ecx, [${ARGS + 20}]\nmov [HANDLE], ecx`;
const unmapRequest = [
  words(ARGS, MAPPED, 0, 0, 0, '[HANDLE]', -1),
  grantOp(GNTTABOP_unmap_grant_ref),
  status16(20),
].join('\n');

const grants: Row[] = [
  row(
    'grant table',
    check('setup_table', 0, words(ARGS, DOMID_SELF, 1, -1, LIST), grantOp(GNTTABOP_setup_table), status16(8)),
    check(
      'its frame can be mapped',
      0,
      `mov eax, [${LIST}]\nshl eax, 12\nor eax, 3`,
      hypercall(14, GRANTS, 'eax', 0, 2),
    ),
    check(
      'an entry',
      1,
      words(GRANTS + OWN_GREF * 8, 1 | (PEER.domid << 16)),
      `movzx eax, word ptr [${GRANTS + OWN_GREF * 8}]`,
    ),
    check(
      'more frames than there can be',
      -1,
      words(ARGS, DOMID_SELF, 1000, 0, LIST),
      grantOp(GNTTABOP_setup_table),
      status16(8),
    ),
    check(
      'two at once',
      EINVAL,
      words(ARGS, DOMID_SELF, 1, 0, LIST),
      hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, ARGS, 2),
    ),
  ),
  row(
    'grant map',
    check('a page of the other domain', 0, mapRequest(PEER.gref, GNTMAP_host_map), keepHandle),
    check('holds what it stored', GRANTED, `mov eax, [${MAPPED}]`),
    check('can be written', ANSWER, words(MAPPED, ANSWER), `mov eax, [${MAPPED}]`),
    check('unmap', 0, unmapRequest),
    check('out of reach', PAGE_FAULT, trapOf(`mov eax, [${MAPPED}]`)),
    check('a stale handle', BAD_HANDLE, unmapRequest),
    check('for reading', 0, mapRequest(PEER.readonlyGref, GNTMAP_host_map | GNTMAP_readonly), keepHandle),
    check('can be read', GRANTED, `mov eax, [${MAPPED}]`),
    check('but not written', PAGE_FAULT | 3, trapOf(`mov dword ptr [${MAPPED}], 1`)),
    check('unmap', 0, unmapRequest),
    check('a readonly grant for writing', GENERAL_ERROR, mapRequest(PEER.readonlyGref, GNTMAP_host_map)),
    check('no such grant', BAD_GNTREF, mapRequest(0x10_0000, GNTMAP_host_map)),
    check(
      'no such domain',
      -2,
      words(ARGS, MAPPED, 0, GNTMAP_host_map, 9, 1234, 0, 0, 0),
      grantOp(GNTTABOP_map_grant_ref),
      status16(18),
    ),
    check('no page table there', GENERAL_ERROR, mapRequest(PEER.gref, GNTMAP_host_map, 0x1000)),
  ),
  row(
    'grant copy',
    check(
      'four bytes',
      0,
      `mov eax, ${B}\ncall frameof`,
      words(ARGS, PEER.readonlyGref, PEER.domid, 'eax', DOMID_SELF, 4 | (GNTCOPY_source_gref << 16), -1),
      grantOp(GNTTABOP_copy),
      status16(20),
    ),
    check('copied', GRANTED, `mov eax, [${B}]`),
    check(
      'across the end of a page',
      BAD_COPY_ARG,
      words(ARGS + 16, 4097 | (GNTCOPY_source_gref << 16), -1),
      grantOp(GNTTABOP_copy),
      status16(20),
    ),
    check(
      'into a page lent for reading',
      GENERAL_ERROR,
      `mov eax, ${B}\ncall frameof`,
      words(ARGS, 'eax', DOMID_SELF, PEER.readonlyGref, PEER.domid, 4 | (2 << 16), -1),
      grantOp(GNTTABOP_copy),
      status16(20),
    ),
  ),
];

const console_: Row[] = [
  row(
    'console output',
    check(
      'all of it was taken',
      0,
      'call kick',
      'mov ebx, [CONSOLE]\nmov eax, [ebx+3084]\nsub eax, [ebx+3080]',
    ),
    check(
      'console_io',
      0,
      words(LIST, ...textWords(`${CONSOLE_IO_TEXT}\n`)),
      hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, CONSOLE_IO_TEXT.length + 1, LIST),
    ),
    check('console_io, unknown command', ENOSYS, hypercall(__HYPERVISOR_console_io, 9, 0, 0)),
  ),
  row(
    'console input',
    check('what was typed', TYPED.length, 'mov ebx, [CONSOLE]\nmov eax, [ebx+3076]\nsub eax, [ebx+3072]'),
    check('its letters', textWords(TYPED)[0], 'mov eax, [ebx]'),
    check('taken', 0, 'mov eax, [ebx+3076]\nmov [ebx+3072], eax\ncall kick\nxor eax, eax'),
  ),
];

/** ASCII text as little-endian words. */
function textWords(text: string): number[] {
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 4);
  bytes.set(new TextEncoder().encode(text));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

export const IO_ROWS: readonly Row[] = [...events, ...grants, ...console_];
