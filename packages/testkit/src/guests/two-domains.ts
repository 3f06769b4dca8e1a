import { type Assembled, assemble } from '../asm/assembler.ts';

/** How the two guests find each other, and what they do. */
export interface TwoDomains {
  /** Linear address that both are loaded at: 16 pages, code first, then data and places to map things. */
  readonly origin: number;
  readonly serverDomid: number;
  readonly clientDomid: number;
  /** The port that the server gets from its first EVTCHNOP_alloc_unbound: the lowest that is free. */
  readonly serverPort: number;
  /** Rounds of mapping, copying, signalling and unmapping. */
  readonly rounds: number;
  /** Whether the client uses FIFO queues for its events. */
  readonly fifoClient: boolean;
}

/** ESI: start_info. Leaves ESP alone. */
const LIBRARY = `
XEN = 0x82
DOMID_SELF = 0x7ff0
SHARED = BASE + 0x4000                  # shared_info
TABLE = BASE + 0x5000                   # the grant table
OWN = BASE + 0x6000                     # pages of the guest's own
READONLY = BASE + 0x7000
SLOT = BASE + 0x8000                    # where the client maps what it is lent
ARRAY = BASE + 0x9000                   # event words, control block
CONTROL = BASE + 0xa000
        mov ebp, esi
        mov eax, [ebp+36]               # start_info.shared_info
        mov ebx, SHARED
        call mapframe
        jmp main

mapframe:                               # maps machine address EAX at EBX
        lea ecx, [eax+0x63]
        xor edx, edx
        mov esi, 1                      # UVMF_TLB_FLUSH
        mov eax, 14                     # update_va_mapping
        int XEN
        test eax, eax
        jnz fail
        ret
mfnof:                                  # EAX: frame of the own page at linear address EAX
        shr eax, 12
        mov edx, [ebp+68]               # start_info.mfn_list
        mov eax, [edx+eax*4]
        ret
evtchn: mov eax, 32                     # event_channel_op EBX on ECX
        int XEN
        test eax, eax
        jnz fail
        ret
grant:  mov eax, 20                     # grant_table_op EBX, one request at ECX
        mov edx, 1
        int XEN
        test eax, eax
        jnz fail
        ret
send:   mov ebx, 4                      # EVTCHNOP_send
        mov ecx, offset port
        jmp evtchn
wait:   WAIT                            # carry: an event was pending, and is no more
        jc 1f
        mov eax, 29                     # sched_op, SCHEDOP_poll
        mov ebx, 3
        mov ecx, offset poll
        int XEN
        test eax, eax
        jnz fail
        jmp wait
1:      ret
close:  mov ebx, 3                      # EVTCHNOP_close
        mov ecx, offset port
        call evtchn
        xor eax, eax
        jmp shutdown
fail:   mov eax, 3                      # SHUTDOWN_crash
shutdown:
        mov [reason], eax
        mov eax, 29
        mov ebx, 2
        mov ecx, offset reason
        int XEN
        jmp shutdown
        .balign 4
reason: .long 0
port:   .long 0
poll:   .long port, 1, 0, 0
`;

const WAIT_2L = `mov eax, [port]
        lock btr dword ptr [SHARED+0x800], eax`;
const WAIT_FIFO = `mov eax, [port]
        lock btr dword ptr [ARRAY+eax*4], 31`;

/** Lends a page for writing and one for reading, and answers each number that it finds with the next one. */
const SERVER = `
setup:  .long DOMID_SELF, 1, 0, setup_list
setup_list: .long 0
unbound: .long DOMID_SELF + (CLIENT << 16), 0
main:   mov ebx, 2                      # GNTTABOP_setup_table
        mov ecx, offset setup
        call grant
        cmp word ptr [setup+8], 0
        jne fail
        mov eax, [setup_list]
        shl eax, 12
        mov ebx, TABLE
        call mapframe
        mov eax, OWN
        call mfnof
        mov [TABLE+8*8+4], eax
        mov dword ptr [TABLE+8*8], 1 + (CLIENT << 16)
        mov eax, READONLY
        call mfnof
        mov [TABLE+8*9+4], eax
        mov dword ptr [TABLE+8*9], 5 + (CLIENT << 16)
        mov ebx, 6                      # EVTCHNOP_alloc_unbound
        mov ecx, offset unbound
        call evtchn
        mov eax, [unbound+4]
        mov [port], eax
        cmp eax, SERVER_PORT
        jne fail
serve:  call wait
        mov eax, [OWN]
        inc eax
        jz over
        mov [OWN+4], eax
        mov [READONLY], eax
        call send
        jmp serve
over:   cmp dword ptr [TABLE+8*8], 1 + (CLIENT << 16)   # nobody reads or writes any more
        jne fail
        cmp dword ptr [TABLE+8*9], 5 + (CLIENT << 16)
        jne fail
        mov eax, 1 + (CLIENT << 16)
        xor edx, edx
        lock cmpxchg [TABLE+8*8], edx
        jne fail
        mov dword ptr [TABLE+8*9], 0
        jmp close
`;

/** Maps the server's page, writes a number, signals, waits for the answer in both pages, unmaps; and over again. */
const CLIENT = `
bind:   .long SERVER, SERVER_PORT, 0
        .balign 4
map:    .long SLOT, 0, 2, 8, SERVER, 0, 0, 0
unmap:  .long SLOT, 0, 0, 0, 0, 0
copy:   .long 9, SERVER, 0, DOMID_SELF, 64 + (1 << 16), 0
init:   .long 0, 0, 0, 0, 0, 0
expand: .long 0, 0
yield:  mov eax, 29
        xor ebx, ebx
        int XEN
main:   FIFO_START
        mov eax, 32                     # EVTCHNOP_bind_interdomain, until the server is there
        xor ebx, ebx
        mov ecx, offset bind
        int XEN
        test eax, eax
        jnz yield
        mov eax, [bind+8]
        mov [port], eax
        call wait                       # binding itself raises an event
        mov eax, OWN
        call mfnof
        mov [copy+8], eax
        xor edi, edi
round:  call lend
        mov [SLOT], edi
        call send
        call wait
        inc edi
        cmp [SLOT+4], edi
        jne fail
        mov ebx, 5                      # GNTTABOP_copy
        mov ecx, offset copy
        call grant
        cmp word ptr [copy+20], 0
        jne fail
        cmp [OWN], edi
        jne fail
        call unlend
        cmp edi, ROUNDS
        jb round
        call lend
        mov dword ptr [SLOT], -1
        call unlend
        call send
        jmp close
lend:   xor ebx, ebx                    # GNTTABOP_map_grant_ref
        mov ecx, offset map
        call grant
        cmp word ptr [map+18], 0
        jne fail
        mov eax, [map+20]
        mov [unmap+16], eax
        ret
unlend: mov ebx, 1                      # GNTTABOP_unmap_grant_ref
        mov ecx, offset unmap
        call grant
        cmp word ptr [unmap+20], 0
        jne fail
        ret
`;

const FIFO_START = `cmp dword ptr [init], 0
        jne 1f
        mov eax, CONTROL
        call mfnof
        mov [init], eax
        mov ebx, 11                     # EVTCHNOP_init_control
        mov ecx, offset init
        call evtchn
        mov eax, ARRAY
        call mfnof
        mov [expand], eax
        mov ecx, 1024                   # all words masked: the guest polls
        mov edi, ARRAY
        mov eax, 0x40000000
        rep stosd
        mov ebx, 12                     # EVTCHNOP_expand_array
        mov ecx, offset expand
        call evtchn
1:`;

/**
 * Two guest kernels that lend each other memory and signal each other: one lends two pages, the other maps and copies them
 * over and over. Each checks every answer, powers off when all is well, and shuts down as crashed otherwise. They want what
 * Xen gives a PAE kernel: start_info in ESI, a stack, and their pages mapped one to one from linear address 0 on.
 */
export function twoDomains(options: TwoDomains): { readonly server: Assembled; readonly client: Assembled } {
  const symbols = {
    BASE: options.origin,
    SERVER: options.serverDomid,
    CLIENT: options.clientDomid,
    SERVER_PORT: options.serverPort,
    ROUNDS: options.rounds,
  };
  const build = (source: string, fifo: boolean): Assembled =>
    assemble(
      LIBRARY.replace('WAIT', () => (fifo ? WAIT_FIFO : WAIT_2L)) +
        source.replace('FIFO_START', () => (fifo ? FIFO_START : '')),
      { origin: options.origin, symbols },
    );
  return { server: build(SERVER, false), client: build(CLIENT, options.fifoClient) };
}
