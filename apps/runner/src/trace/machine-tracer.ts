import type { SymbolTable } from '@domu/toolstack';
import { Exit } from '@domu/x86-cpu';
import { DOMID_FIRST_RESERVED, HYPERCALL_VECTOR, RUNSTATE_offline, RUNSTATE_running } from '@domu/xen-abi';
import {
  type Domain,
  HYPERCALL_CONTINUE,
  HYPERCALL_KEEP_REGISTERS,
  type Machine,
  type MachineObserver,
  type Vcpu,
} from '@domu/xen-hypervisor';
import { encoded } from './byte-buffer.ts';
import { type ChromeTrace, type EventHead, eventHead, quoted, type Track } from './chrome-trace.ts';
import { exitText, hasSubOperation, hypercallText, kernelEntryText, runstateText } from './names.ts';

/** What the host does stands here: no domain has this number. */
export const HOST_PID: number = DOMID_FIRST_RESERVED;
const CPU_TRACK: Track = { pid: HOST_PID, tid: 1 };
const WORK_TRACK: Track = { pid: HOST_PID, tid: 2 };
const FIRST_VCPU_TID = 1;
const EVENTS_TID = 1000;
const VECTOR_GP = 13;
const VECTOR_PF = 14;
const VECTOR_UD = 6;
/** Deeper than any call goes: exit, hypercall, multicall, call in it. */
const MAX_DEPTH = 64;
/** An exit that stands for what is within it, and has no slice of its own. */
const HIDDEN = -1;
/** Addresses whose text is kept. */
const MAX_PLACES = 65_536;
/** Ports that the builder gives every domain. */
const PORT_NAMES: Readonly<Record<number, string>> = { 1: 'xenstore', 2: 'console' };

const RESULT = encoded('"result":');
const AGAIN = encoded('"result":"to be continued"');
const FROM = encoded('"from":');
const ERROR_CODE = encoded(',"error":');
const ADDRESS = encoded(',"address":"0x');
const QUOTE = encoded('"');
const PORT = encoded('"port":');

/** The rows of one vCPU, and the slice that it is in. */
interface VcpuTrack {
  readonly track: Track;
  readonly heads: Map<number, EventHead>;
  readonly upcall: EventHead;
  readonly onCpu: EventHead;
  /** RUNSTATE_* since `sinceNs`, or -1. */
  state: number;
  sinceNs: number;
}

interface DomainTrack {
  readonly track: Track;
  readonly ports: Map<number, EventHead>;
  /** Code addresses as text, with names where the kernel has them. */
  readonly places: Map<number, Uint8Array>;
  readonly symbols: SymbolTable | null;
}

/** What `vcpu` keeps slices by: runstates, hypercalls with their first argument, exits. */
const RUNSTATE_KEYS = 0;
const HYPERCALL_KEYS = 0x8000;
const KERNEL_KEYS = 0x10_0000;
const EXIT_KEYS = 0x20_0000;

/**
 * Writes down what a machine does: for each vCPU when it ran, its exits, hypercalls and upcalls; for each domain its events;
 * for the host who had the processor and when backends worked. Times are the machine's own, made to rise strictly, so that
 * what is within something else is so in every viewer; under the virtual clock a trace repeats byte for byte.
 */
export class MachineTracer implements MachineObserver {
  readonly trace: ChromeTrace;
  readonly #machine: Machine;
  readonly #symbolsOf: (domain: Domain) => SymbolTable | null;
  readonly #vcpus: Map<Vcpu, VcpuTrack> = new Map();
  readonly #domains: WeakMap<Domain, DomainTrack> = new WeakMap();
  readonly #workHead: EventHead = eventHead('X', WORK_TRACK, 'host', 'backends and daemons');
  /** By hypercall number: whether the first argument is part of the name. */
  readonly #subOperations: readonly boolean[] = Array.from({ length: 64 }, (_, nr) => hasSubOperation(nr));
  #last: { vcpu: Vcpu; track: VcpuTrack } | null = null;
  #lastNs = 0;
  #depth = 0;
  readonly #startNs: Float64Array = new Float64Array(MAX_DEPTH);
  readonly #key: Int32Array = new Int32Array(MAX_DEPTH);
  readonly #eip: Uint32Array = new Uint32Array(MAX_DEPTH);
  readonly #error: Int32Array = new Int32Array(MAX_DEPTH);
  readonly #cr2: Uint32Array = new Uint32Array(MAX_DEPTH);
  readonly #emulated: Float64Array = new Float64Array(MAX_DEPTH);

  /** @param symbolsOf names of a domain's kernel */
  constructor(machine: Machine, trace: ChromeTrace, symbolsOf: (domain: Domain) => SymbolTable | null) {
    this.#machine = machine;
    this.trace = trace;
    this.#symbolsOf = symbolsOf;
    trace.nameProcess(HOST_PID, 'domain 0 (the host)');
    trace.nameTrack(CPU_TRACK, 'physical CPU');
    trace.nameTrack(WORK_TRACK, 'backends');
    for (const domain of machine.domains.values())
      for (const vcpu of domain.vcpus) this.#follow(this.#trackOf(vcpu), vcpu);
  }

  /** The machine's time, later than at the last call. */
  now(): number {
    const now = this.#machine.clock.nowNs();
    this.#lastNs = now > this.#lastNs ? now : this.#lastNs + 1;
    return this.#lastNs;
  }

  /** Ends what has begun. */
  finish(): void {
    const now = this.now();
    for (const track of this.#vcpus.values()) this.#leave(track, now);
  }

  runstateChanged(vcpu: Vcpu): void {
    const track = this.#trackOf(vcpu);
    this.#leave(track, this.now());
    this.#follow(track, vcpu);
  }

  exitBegins(vcpu: Vcpu, exit: Exit): void {
    const { cpu, counters } = vcpu.domain.machine;
    const { vector, errorCode, cr2 } = cpu.exit;
    const isHypercall = exit === Exit.Interrupt && vector === HYPERCALL_VECTOR;
    const level = this.#push(isHypercall ? HIDDEN : EXIT_KEYS | (exit << 9) | vector);
    this.#eip[level] = cpu.eip;
    this.#error[level] = exit === Exit.Fault ? errorCode : -1;
    this.#cr2[level] = cr2;
    this.#emulated[level] = counters.emulated;
  }

  exitEnds(vcpu: Vcpu): void {
    const level = this.#pop();
    const key = this.#key[level];
    if (key === HIDDEN) return;
    const vector = key & 0xff;
    const emulated = vector === VECTOR_GP && vcpu.domain.machine.counters.emulated > this.#emulated[level];
    const track = this.#trackOf(vcpu);
    const { buffer } = this.trace;
    this.trace.slice(this.#head(track, emulated ? key | 0x100 : key), this.#startNs[level], this.now());
    buffer.put(FROM);
    buffer.put(this.#place(vcpu.domain, this.#eip[level]));
    if (this.#error[level] >= 0) {
      buffer.put(ERROR_CODE);
      buffer.digits(this.#error[level]);
    }
    if (vector === VECTOR_PF) {
      buffer.put(ADDRESS);
      buffer.hex8(this.#cr2[level]);
      buffer.put(QUOTE);
    }
    this.trace.end();
  }

  hypercallBegins(_vcpu: Vcpu, nr: number, a0: number): void {
    this.#push(HYPERCALL_KEYS | (nr << 8) | (this.#subOperations[nr] ? Math.min(a0, 0xff) : 0));
  }

  hypercallEnds(vcpu: Vcpu, _nr: number, result: number): void {
    const level = this.#pop();
    const { buffer } = this.trace;
    this.trace.slice(this.#head(this.#trackOf(vcpu), this.#key[level]), this.#startNs[level], this.now());
    if (result === HYPERCALL_CONTINUE) buffer.put(AGAIN);
    else if (result !== HYPERCALL_KEEP_REGISTERS) {
      buffer.put(RESULT);
      buffer.signed(result | 0);
    }
    this.trace.end();
  }

  kernelBegins(_vcpu: Vcpu, index: number): void {
    // The way into such a kernel is an invalid opcode or a system call, which says no more than the kernel's own slice.
    const outer = this.#depth - 1;
    if (outer >= 0 && outer < MAX_DEPTH && saysNoMore(this.#key[outer])) this.#key[outer] = HIDDEN;
    this.#push(KERNEL_KEYS | index);
  }

  kernelEnds(vcpu: Vcpu): void {
    const level = this.#pop();
    this.trace.slice(this.#head(this.#trackOf(vcpu), this.#key[level]), this.#startNs[level], this.now());
    this.trace.end();
  }

  upcall(vcpu: Vcpu): void {
    this.trace.instant(this.#trackOf(vcpu).upcall, this.now());
    this.trace.end();
  }

  eventPending(domain: Domain, port: number): void {
    const { track, ports } = this.#domainTrack(domain);
    let head = ports.get(port);
    if (head === undefined) {
      const name = PORT_NAMES[port];
      head = eventHead('i', track, 'event', `port ${port}${name === undefined ? '' : ` (${name})`}`);
      ports.set(port, head);
    }
    this.trace.instant(head, this.now());
    this.trace.buffer.put(PORT);
    this.trace.buffer.digits(port);
    this.trace.end();
  }

  hostWorkBegins(): void {
    this.#push(HIDDEN);
  }

  hostWorkEnds(): void {
    const level = this.#pop();
    this.trace.slice(this.#workHead, this.#startNs[level], this.now());
    this.trace.end();
  }

  /** @returns the level of the new slice */
  #push(key: number): number {
    const level = Math.min(this.#depth++, MAX_DEPTH - 1);
    this.#key[level] = key;
    this.#startNs[level] = this.now();
    return level;
  }

  #pop(): number {
    return Math.min(--this.#depth, MAX_DEPTH - 1);
  }

  #trackOf(vcpu: Vcpu): VcpuTrack {
    const last = this.#last;
    if (last !== null && last.vcpu === vcpu) return last.track;
    let track = this.#vcpus.get(vcpu);
    if (track === undefined) {
      this.#forgetTheDead();
      track = this.#newTrack(vcpu);
      this.#vcpus.set(vcpu, track);
    }
    this.#last = { vcpu, track };
    return track;
  }

  /** Guests may restart as often as they like. */
  #forgetTheDead(): void {
    for (const [vcpu, track] of this.#vcpus) {
      if (vcpu.domain.state.state !== 'dead') continue;
      this.#leave(track, this.#lastNs);
      this.#vcpus.delete(vcpu);
    }
  }

  #newTrack(vcpu: Vcpu): VcpuTrack {
    this.#domainTrack(vcpu.domain);
    const track = { pid: vcpu.domain.id, tid: FIRST_VCPU_TID + vcpu.id };
    this.trace.nameTrack(track, `vCPU ${vcpu.id}`);
    return {
      track,
      heads: new Map(),
      upcall: eventHead('i', track, 'event', 'upcall'),
      onCpu: eventHead('X', CPU_TRACK, 'schedule', `d${vcpu.domain.id}v${vcpu.id} ${vcpu.domain.name}`),
      state: -1,
      sinceNs: 0,
    };
  }

  #domainTrack(domain: Domain): DomainTrack {
    const known = this.#domains.get(domain);
    if (known !== undefined) return known;
    const track = { pid: domain.id, tid: EVENTS_TID };
    this.trace.nameProcess(domain.id, `d${domain.id} ${domain.name}`);
    this.trace.nameTrack(track, 'event channels');
    const made = { track, ports: new Map(), places: new Map(), symbols: this.#symbolsOf(domain) };
    this.#domains.set(domain, made);
    return made;
  }

  #head(track: VcpuTrack, key: number): EventHead {
    let head = track.heads.get(key);
    if (head === undefined) {
      const [category, name] = nameOfKey(key);
      head = eventHead('X', track.track, category, name);
      track.heads.set(key, head);
    }
    return head;
  }

  #place(domain: Domain, eip: number): Uint8Array {
    const { places, symbols } = this.#domainTrack(domain);
    const known = places.get(eip);
    if (known !== undefined) return known;
    const hit = symbols?.lookup(eip) ?? null;
    const address = `0x${eip.toString(16).padStart(8, '0')}`;
    const place = encoded(
      quoted(hit === null ? address : `${hit.name}+0x${hit.offset.toString(16)} (${address})`),
    );
    if (places.size >= MAX_PLACES) places.clear();
    places.set(eip, place);
    return place;
  }

  #follow(track: VcpuTrack, vcpu: Vcpu): void {
    track.state = vcpu.runstate.state;
    // Not the end of what came before: rounded, the two might overlap in a viewer.
    track.sinceNs = this.now();
  }

  /** Ends the slice of what a vCPU did until now. */
  #leave(track: VcpuTrack, now: number): void {
    const { state, sinceNs } = track;
    track.state = -1;
    if (state < 0 || state === RUNSTATE_offline) return;
    this.trace.slice(this.#head(track, RUNSTATE_KEYS | state), sinceNs, now);
    this.trace.end();
    if (state !== RUNSTATE_running) return;
    this.trace.slice(track.onCpu, sinceNs, now);
    this.trace.end();
  }
}

function saysNoMore(key: number): boolean {
  return (
    key === (EXIT_KEYS | (Exit.Fault << 9) | VECTOR_UD) || key === (EXIT_KEYS | (Exit.Interrupt << 9) | 0x80)
  );
}

function nameOfKey(key: number): readonly [category: string, name: string] {
  if ((key & EXIT_KEYS) !== 0) {
    const name = exitText(((key >> 9) & 7) as Exit, key & 0xff);
    return ['exit', (key & 0x100) !== 0 ? `${name}, emulated` : name];
  }
  if ((key & KERNEL_KEYS) !== 0) return ['kernel', kernelEntryText(key & 0xff)];
  if ((key & HYPERCALL_KEYS) !== 0) return ['hypercall', hypercallText((key >> 8) & 0x3f, key & 0xff)];
  return ['schedule', runstateText(key)];
}
