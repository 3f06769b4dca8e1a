import { type Assembled, assemble } from '@domu/testkit';
import {
  __HYPERVISOR_set_callbacks,
  __HYPERVISOR_set_trap_table,
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  GnttabMapGrantRef,
  type PagingMode,
  VcpuGuestContext,
  VGCF_in_kernel,
  VGCF_online,
} from '@domu/xen-abi';
import type { Domain } from '../../src/domain.ts';
import type { Machine } from '../../src/machine.ts';
import type { Vcpu } from '../../src/vcpu.ts';
import { initialiseVcpu } from '../../src/vcpu-context.ts';
import { BLOCK_BYTES, CALLS_PER_SLICE } from './call.ts';

/** A grant mapping: its handle, and where it was made. */
export interface GrantPlace {
  readonly handle: number;
  readonly lo: number;
  readonly hi: number;
}

/** How a guest's memory is paged. */
export interface GuestMode {
  readonly paging: PagingMode;
  readonly translated: boolean;
}

export const NR_VCPUS = 4;
/** Pages before the page tables; all mapped writable from linear address 0 on. */
export const NR_PAGES = 64;
/** First of the pages that calls are aimed at. */
export const FIRST_PLAY_PAGE = 32;
export const NR_PLAY_PAGES = 24;
/** Pages that nothing maps: what nobody uses can be given away. */
const UNMAPPED_PAGES = [50, 51, 52, 53, 54, 55];
/** Pages whose content is a set of page tables that could be used instead of the guest's own. */
const SPARE_TABLES_PAGE = 56;
const CODE_PAGE = 1;
const STATE_PAGE = 2;
const STACK_PAGE = 6;
const BLOCKS_PAGE = 10;
const BLOCK_PAGES_PER_VCPU = 4;
const CONTEXT_PAGE = 26;
const SHARED_INFO_PAGE = 27;
const GRANT_TABLE_PAGE = 28;
/** A trap table in every half of a page. */
const TRAPS_PAGE = 29;
const MAX_PAGES = 96;
const CODE_BYTES_PER_VCPU = 1024;
/** Offsets in a vCPU's state page. */
const HEAD = 0;
const TAIL = 4;
const DONE = 8;
const TABLE = 0x400;
const ENTRY_BYTES = 32;
const RO = 0x61;
const RW = 0x67;

/** Linear address of the page for VCPUOP_initialise: registers of vCPU 2. */
export const CONTEXT_VA: number = CONTEXT_PAGE * 4096;
export const SHARED_INFO_VA: number = SHARED_INFO_PAGE * 4096;
export const GRANT_TABLE_VA: number = GRANT_TABLE_PAGE * 4096;
/** Entry point of each vCPU's loop, where every trap leads as well. */
export const entryVa = (vcpu: number): number => CODE_PAGE * 4096 + vcpu * CODE_BYTES_PER_VCPU;
export const blockVa = (vcpu: number, slot: number): number =>
  (BLOCKS_PAGE + vcpu * BLOCK_PAGES_PER_VCPU) * 4096 + slot * BLOCK_BYTES;
const stackTop = (vcpu: number): number => (STACK_PAGE + vcpu) * 4096 + 0xf00;
const trapsVa = (vcpu: number): number => TRAPS_PAGE * 4096 + vcpu * 2048;
const stateVa = (vcpu: number): number => (STATE_PAGE + vcpu) * 4096;

/**
 * Takes calls from a table until it is empty, then gives way. All its state is in memory, so that it can be entered anew at
 * any time: by a trap, an upcall or an `iret`.
 */
const LOOP = `
next:
  mov eax, FLAT_DS
  mov ds, eax
  mov es, eax
  cld
  mov esp, STACK
  mov ebp, [STATE + HEAD]
  cmp ebp, [STATE + TAIL]
  jae idle
  add dword ptr [STATE + HEAD], ENTRY_BYTES
  mov eax, [ebp]
  mov ebx, [ebp + 4]
  mov ecx, [ebp + 8]
  mov edx, [ebp + 12]
  mov esi, [ebp + 16]
  mov edi, [ebp + 20]
  cmp eax, 0x1000
  je store
  cmp eax, 0x1001
  je segment
  cmp eax, 0x1002
  je base
  cmp eax, 0x1003
  je load
  int 0x82
  mov [ebp + 24], eax
  jmp done
store:
  mov [ebx], ecx
  jmp done
segment:
  mov gs, ebx
  jmp done
base:
  mov cr3, ebx
  jmp done
load:
  mov eax, [ebx]
done:
  inc dword ptr [STATE + DONE]
  jmp next
idle:
  mov eax, 29
  xor ebx, ebx
  int 0x82
  jmp next
event:
  mov eax, FLAT_DS
  mov ds, eax
  mov dword ptr [INFO + 4], 0
  mov dword ptr [SHARED + 0x800], 0
  mov dword ptr [SHARED + 0x804], 0
  mov word ptr [INFO], 0
  jmp next
`;

/** The first 255 vectors, all at the loop's start: the table ends with an address of 0 within its half page. */
function trapTable(vcpu: number): Uint8Array {
  const words = new Uint32Array(512);
  for (let vector = 0; vector < 255; vector++)
    words.set([(vector | (FLAT_KERNEL_CS << 16)) >>> 0, entryVa(vcpu)], vector * 2);
  return new Uint8Array(words.buffer);
}

/** The loops of all vCPUs: the same for all guests. */
export function assembleLoops(): Assembled[] {
  return Array.from({ length: NR_VCPUS }, (_, vcpu) =>
    assemble(LOOP, {
      origin: entryVa(vcpu),
      symbols: {
        FLAT_DS: FLAT_KERNEL_DS,
        STATE: stateVa(vcpu),
        STACK: stackTop(vcpu),
        INFO: SHARED_INFO_VA + 64 * vcpu,
        SHARED: SHARED_INFO_VA,
        ...{ HEAD, TAIL, DONE, ENTRY_BYTES },
      },
    }),
  );
}

/** A hostile domain: its vCPUs make the calls that the host puts into its memory, by \`int 0x82\` in ring 1. */
export class FuzzGuest {
  readonly machine: Machine;
  readonly domain: Domain;
  readonly mode: GuestMode;
  /** mfn of each page as the domain was built. */
  readonly p2m: number[] = [];
  readonly #loops: readonly Assembled[];

  constructor(machine: Machine, mode: GuestMode, loops: readonly Assembled[]) {
    this.machine = machine;
    this.mode = mode;
    this.#loops = loops;
    this.domain = machine.createDomain({
      maxPages: MAX_PAGES,
      vcpus: NR_VCPUS,
      mode: mode.paging,
      translated: mode.translated,
      memoryMapBytes: MAX_PAGES * 4096,
    });
    const nrTables = mode.paging === 'pae' ? 6 : 2;
    for (let i = 0; i < NR_PAGES + nrTables; i++) this.p2m.push(this.domain.paging.populateFrame(i));
    this.#writeTables();
    if (mode.translated) {
      this.domain.paging.addXenFrame(SHARED_INFO_PAGE, this.domain.sharedInfo);
      this.domain.paging.addXenFrame(GRANT_TABLE_PAGE, this.domain.grants.sharedFrame(0));
    }
    this.domain.paging.adoptBuiltRoot(this.frame(NR_PAGES));
    for (const [vcpu, { bytes }] of loops.entries()) this.#poke(CODE_PAGE, vcpu * CODE_BYTES_PER_VCPU, bytes);
    for (let vcpu = 0; vcpu < NR_VCPUS; vcpu++)
      this.#poke(TRAPS_PAGE + (vcpu >> 1), (vcpu & 1) * 2048, trapTable(vcpu));
    this.#poke(CONTEXT_PAGE, 0, new Uint8Array(this.#context(2).buffer));
    for (const vcpu of this.domain.vcpus.slice(0, 2)) {
      const rc = initialiseVcpu(vcpu, this.#context(vcpu.id));
      if (rc !== 0) throw new Error(`vcpu ${vcpu.id} of a new guest: ${rc}`);
    }
    this.domain.unpause();
  }

  /** What the domain calls its page. */
  frame(page: number): number {
    return this.mode.translated ? page : this.p2m[page];
  }

  /** vCPUs that can be given calls. */
  get ready(): Vcpu[] {
    return this.domain.vcpus.filter((vcpu) => vcpu.initialised && vcpu.online);
  }

  /** Gives a vCPU its next calls, through its own page tables. @returns false when its memory is no longer in place */
  fill(vcpu: Vcpu, calls: readonly { readonly words: Uint32Array; readonly block: Uint32Array }[]): boolean {
    if (calls.length > CALLS_PER_SLICE) throw new Error('too many calls for one slice');
    const { mem } = vcpu;
    const all = [...this.#healing(vcpu.id), ...calls.map(({ words }) => words)];
    const table = new Uint32Array((all.length * ENTRY_BYTES) / 4);
    for (const [i, words] of all.entries()) table.set(words, (i * ENTRY_BYTES) / 4);
    const state = stateVa(vcpu.id);
    const filled =
      calls.every(({ block }, i) => mem.write(blockVa(vcpu.id, i), new Uint8Array(block.buffer))) &&
      mem.write(state + TABLE, new Uint8Array(table.buffer)) &&
      mem.write(stackTop(vcpu.id), this.#iretFrame(vcpu.id));
    return (
      filled &&
      mem.writeU32(state + TAIL, state + TABLE + all.length * ENTRY_BYTES) &&
      mem.writeU32(state + HEAD, state + TABLE) &&
      mem.writeU32(state + DONE, 0)
    );
  }

  /** What the guest does first, so that a trap does not end it: its trap table and callbacks as they were. */
  #healing(vcpu: number): Uint32Array[] {
    const event = this.#loops[vcpu].address('event');
    return [
      Uint32Array.of(__HYPERVISOR_set_trap_table, trapsVa(vcpu), 0, 0, 0, 0, 0, 0),
      Uint32Array.of(
        __HYPERVISOR_set_callbacks,
        ...[FLAT_KERNEL_CS, event, FLAT_KERNEL_CS, entryVa(vcpu)],
        0,
        0,
        0,
      ),
    ];
  }

  /** @returns the mappings that calls of GNTTABOP_map_grant_ref brought about, as their results tell */
  mappingsOf(vcpu: Vcpu, slot: number, count: number): GrantPlace[] {
    const found: GrantPlace[] = [];
    for (let i = 0; i < count; i++) {
      const view = vcpu.mem.readView(
        blockVa(vcpu.id, slot) + i * GnttabMapGrantRef.size,
        GnttabMapGrantRef.size,
      );
      if (view === null || GnttabMapGrantRef.status.get(view, 0) !== 0) continue;
      const { host_addr: where, handle } = GnttabMapGrantRef;
      found.push({ handle: handle.get(view, 0), lo: where.getLo(view, 0), hi: where.getHi(view, 0) });
    }
    return found;
  }

  /** Whether a vCPU has taken all its calls, and how many came back. */
  progress(vcpu: Vcpu): { readonly finished: boolean; readonly done: number } {
    const { mem } = vcpu;
    const state = stateVa(vcpu.id);
    const done = mem.readU32(state + DONE);
    return {
      finished: mem.readU32(state + HEAD) >= mem.readU32(state + TAIL),
      done: done >= 0 && done <= CALLS_PER_SLICE ? done : 0,
    };
  }

  /** {eax, eip, cs, eflags} for an `iret` made from the loop. */
  #iretFrame(vcpu: number): Uint8Array {
    return new Uint8Array(Uint32Array.of(0, entryVa(vcpu), FLAT_KERNEL_CS, 0x200).buffer);
  }

  #context(vcpu: number): DataView {
    const view = new DataView(new ArrayBuffer(VcpuGuestContext.size));
    const { user_regs: regs, trap_ctxt: traps } = VcpuGuestContext;
    regs.eip.set(view, 0, entryVa(vcpu));
    regs.esp.set(view, 0, stackTop(vcpu));
    regs.cs.set(view, 0, FLAT_KERNEL_CS);
    for (const segment of [regs.ds, regs.es, regs.fs, regs.gs]) segment.set(view, 0, FLAT_KERNEL_DS);
    regs.ss.set(view, 0, FLAT_KERNEL_SS);
    for (let vector = 0; vector < traps.length; vector++) {
      traps.element.cs.set(view, traps.at(0, vector), FLAT_KERNEL_CS);
      traps.element.address.set(view, traps.at(0, vector), entryVa(vcpu));
    }
    VcpuGuestContext.kernel_ss.set(view, 0, FLAT_KERNEL_SS);
    VcpuGuestContext.kernel_sp.set(view, 0, stackTop(vcpu));
    VcpuGuestContext.event_callback_cs.set(view, 0, FLAT_KERNEL_CS);
    VcpuGuestContext.event_callback_eip.set(view, 0, this.#loops[vcpu].address('event'));
    VcpuGuestContext.failsafe_callback_cs.set(view, 0, FLAT_KERNEL_CS);
    VcpuGuestContext.failsafe_callback_eip.set(view, 0, entryVa(vcpu));
    VcpuGuestContext.ctrlreg.set(view, 0, 3, this.frame(NR_PAGES) * 4096);
    VcpuGuestContext.flags.set(view, 0, VGCF_in_kernel | VGCF_online);
    return view;
  }

  #poke(page: number, offset: number, bytes: Uint8Array): void {
    this.machine.memory.u8.set(bytes, this.p2m[page] * 4096 + offset);
  }

  /** The tables in use, and a second set in spare pages, which nothing but `pin` and the like will look at. */
  #writeTables(): void {
    this.#writeTableSet(NR_PAGES);
    this.#writeTableSet(SPARE_TABLES_PAGE);
  }

  #writeTableSet(first: number): void {
    const pae = this.mode.paging === 'pae';
    const size = pae ? 8 : 4;
    const put = (table: number, slot: number, frame: number, flags: number): void =>
      this.machine.memory.view.setUint32(this.p2m[table] * 4096 + slot * size, frame * 4096 + flags, true);
    const l1 = first + (pae ? 5 : 1);
    if (pae) for (let i = 0; i < 4; i++) put(first, i, this.frame(first + 1 + i), 1);
    put(first + (pae ? 1 : 0), 0, this.frame(l1), RW);
    const { translated } = this.mode;
    const nrTables = l1 - first + 1;
    for (let page = 0; page < this.p2m.length; page++) {
      if (UNMAPPED_PAGES.includes(page)) continue;
      const table = page >= NR_PAGES || (page >= SPARE_TABLES_PAGE && page < SPARE_TABLES_PAGE + nrTables);
      put(l1, page, this.frame(page), table && !translated ? RO : RW);
    }
    if (translated) return;
    put(l1, SHARED_INFO_PAGE, this.domain.sharedInfo, RW);
    put(l1, GRANT_TABLE_PAGE, this.domain.grants.sharedFrame(0), RW);
  }
}
