/**
 * Where the CPU's state lies in machine memory, in bytes: the interpreter, compiled code and TypeScript read the same words.
 *
 *   0        state block (registers, segments, decode fields, tables)
 *   1 MiB    TLB: read and write tables for supervisor (CPL 0-2), then for user, one word a page (4 MiB each)
 *   17 MiB   end: machine frames may begin
 */
export const S = {
  /** EAX ECX EDX EBX ESP EBP ESI EDI */
  regs: 0x00,
  eip: 0x20,
  /** EFLAGS without the arithmetic flags, bit 1 set. */
  sysFlags: 0x24,
  /** Lazy flags, see flags.ts. */
  result: 0x28,
  aux: 0x2c,
  /** Instructions left in this run. */
  budget: 0x30,
  /** MODE_* bits; 0 selects the fast loop. */
  mode: 0x34,
  cpl: 0x38,
  /** Byte offset of the TLB tables in force: read table; the write table follows at TLB_WRITE. */
  tlb: 0x3c,
  /** Six segments of SEG_BYTES in hardware order. */
  segs: 0x40,
  cr0: 0x100,
  cr2: 0x104,
  cr4: 0x108,
  /** DR0..DR7 */
  dr: 0x110,
  /** Pending fault or exit, see CpuExit. */
  vector: 0x130,
  errorCode: 0x134,
  dr6Hits: 0x138,
  /** Bytes of the instruction that left the CPU. */
  exitLength: 0x13c,
  /** Result slots of helpers. */
  results: 0x140,
  /** Decoded instruction. */
  next: 0x150,
  modrm: 0x154,
  ea: 0x158,
  /** Segment number for the memory operand, or the override for string instructions. */
  dataSeg: 0x15c,
  imm: 0x160,
  imm2: 0x164,
  /** 1 when the operand size is 16. */
  op16: 0x168,
  /** 0xffff under 16-bit addressing, else all ones. */
  addrMask: 0x16c,
  /** 0, 0xf3 or 0xf2. */
  rep: 0x170,
  lock: 0x174,
  /** Bytes that could be fetched when the instruction lies across a page. */
  avail: 0x178,
  /** Primary opcode byte, or 256 + the byte after 0F. */
  opcode: 0x180,
  /** 0xffff for a 16-bit stack (SS.B clear), else all ones. */
  spMask: 0x17c,
  /** Where a store that crosses pages is written back: two host addresses and the length of the first part. */
  splitLow: 0x184,
  splitHigh: 0x188,
  splitBytes: 0x18c,
  /** Operand that crosses pages, gathered: one that will be written back, and one that is only read. */
  scratch: 0x190,
  readScratch: 0x1b0,
  /** Instruction bytes that cross a page, gathered. */
  fetch: 0x1d0,
  /** A count of invalidations of compiled code. */
  epoch: 0x204,
  /** Byte offset of the region hash in force. */
  regionHash: 0x208,
  /** Host address of the page that a store goes to without a TLB entry. */
  direct: 0x20c,
  /** Bit i: segment i does not hinder flat addressing. */
  flat: 0x210,
  /**
   * x87, and after it SSE: saved with the context. Eight physical registers R0..R7 of X87_BYTES, in which MM0..MM7 are
   * the mantissas: u64 mantissa, u32 sign << 15 | exponent, one unused word.
   */
  x87: 0x220,
  /** Control word. */
  fcw: 0x2a0,
  /** Status word, its TOP field zero. */
  fsw: 0x2a4,
  /** TOP, 0..7. */
  ftop: 0x2a8,
  /** A bit for each physical register that is not empty. */
  ftags: 0x2ac,
  /** Last x87 instruction that was not a control instruction; data pointer and opcode of the last that trapped. */
  fip: 0x2b0,
  fcs: 0x2b4,
  fdp: 0x2b8,
  fds: 0x2bc,
  fop: 0x2c0,
  /** X87_* bits: why arithmetic leaves the straight path; derived from the control registers, fcw and fsw. */
  fcare: 0x2c4,
  mxcsr: 0x2c8,
  /** XMM0..XMM7 of 16 bytes. */
  xmm: 0x2d0,
  fpuEnd: 0x350,
  /** Operands and result of floating point that generated code hands to TypeScript. */
  simdA: 0xf00,
  simdB: 0xf10,
  simdR: 0xf20,
  /** Memory images of the FPU, built here and taken apart. */
  image: 0x400,
  end: 0x600,
} as const;

/** Bytes from one x87 register to the next. */
export const X87_BYTES = 16;
/** fcare: CR0.TS or EM is set (#NM), an unmasked exception is pending (#MF). */
export const X87_ABSENT = 1;
export const X87_PENDING = 2;
/** fcare: not all exceptions are masked; precision is 53 bits; or 24; rounding is not to nearest. */
export const X87_UNMASKED = 4;
export const X87_DOUBLE = 8;
export const X87_SINGLE = 16;
export const X87_ROUNDING = 32;

export const SEG_BYTES = 32;
/** Fields of one segment. `low..high` are the valid offsets; a segment that refuses all access has low > high. */
export const SEG = { selector: 0, base: 4, limit: 8, attr: 12, low: 16, high: 20, access: 24 } as const;
/** SEG.access bits. */
export const SEG_READ = 1;
export const SEG_WRITE = 2;
/** Every offset is valid. */
export const SEG_WHOLE = 4;

/**
 * The interrupt gate in the state block: what `INT vector` from level 3 does by itself (interp/segment-routines.ts). Who
 * embeds the CPU sets the words before `run`, and they hold while it lasts; vector 0: no gate.
 *   cs, eip, ss, sp  the handler, and the stack that it starts with
 *   events           byte offset in memory of two bytes: "an event waits" and "events are masked"
 *   masks            1 when going through the gate masks events
 *   iopl             bits that the pushed EFLAGS show in their IOPL field
 *   taken            how often the gate was gone through; counted up
 */
export const GATE = {
  vector: 0x360,
  cs: 0x364,
  eip: 0x368,
  ss: 0x36c,
  sp: 0x370,
  events: 0x374,
  masks: 0x378,
  iopl: 0x37c,
  taken: 0x380,
} as const;

/**
 * Flags that compiled code left as operands and result of an operation: jit/flag-kinds.ts. Kind 0: there are none such, and
 * `result` and `aux` hold. The interpreter settles them before it runs anything.
 */
export const PARKED = { kind: 0x384, a: 0x388, b: 0x38c, r: 0x390, over: 0x394 } as const;

/**
 * A run of neighbouring pages that the TLB has write entries for, neighbours in machine memory as well: linear address,
 * length in bytes and host minus linear address, for supervisor and, EXTENT_USER on, for user mode.
 */
export const EXTENT = { low: 0x3a0, bytes: 0x3a4, delta: 0x3a8 } as const;
export const EXTENT_USER = 12;

/** Why the fast loop must not run. */
export const MODE_SEGMENTS = 1;
export const MODE_STEP = 2;
export const MODE_BREAKPOINTS = 4;
export const MODE_ALIGN = 8;
export const MODE_SHADOW = 16;

/** Code TLB: direct-mapped, 8 bytes an entry: linear page | user << 1 | valid, host address of the page. */
export const CODE_TLB = 0x1000;
export const CODE_TLB_ENTRIES = 256;
/** Decode tables, filled from the instruction table. */
export const DECODE_TABLE = 0x2000;
/** 64 slots of 8 bytes for each opcode with several rows. */
export const GROUP_TABLE = 0x60000;
export const STATE_BYTES = 0x10000;

/** How often branches reached a target: 16-bit counters by EIP. */
export const PROFILE = 0x40000;
export const PROFILE_ENTRIES = 16384;

/** By region table index: the table index of the same region compiled without a stack window, or 0. */
export const PLAIN_REGIONS = 0x58000;

/**
 * Region hash, for supervisor then user: words {EIP, region table index or 0} at the place that EIP's low bits tell, and
 * behind them at REGION_SECOND as many for those that found their place taken.
 */
export const REGION_HASH = 0x80000;
export const REGION_HASH_ENTRIES = 16384;
export const REGION_SECOND: number = REGION_HASH_ENTRIES * 8;
export const REGION_HASH_BYTES: number = 2 * REGION_SECOND;
/** Log2 of what EIP is divided by for the second place. */
export const SECOND_SHIFT = 13;
/** Which of the second places an EIP has. */
export const secondPlaceOf = (eip: number): number =>
  (eip ^ (eip >>> SECOND_SHIFT)) & (REGION_HASH_ENTRIES - 1);

export const TLB_BASE = 0x100000;
export const TLB_TABLE_BYTES = 0x400000;
/** From a read table to its write table. */
export const TLB_WRITE: number = TLB_TABLE_BYTES;
/** From the supervisor tables to the user tables. */
export const TLB_USER: number = 2 * TLB_TABLE_BYTES;
/** A TLB word that misses; a hit is the host address minus the linear address of the page. */
export const TLB_MISS = -1;

/** Bytes of machine memory that belong to the CPU; frames begin at or after it. */
export const CPU_RESERVED_BYTES: number = TLB_BASE + 4 * TLB_TABLE_BYTES;
/** Where indirect jumps and calls went last, by their EIP: words {EIP, target, the one before that, the one before}. */
export const INDIRECT = 0x50000;
export const INDIRECT_ENTRIES = 1024;
/** Log2 of an entry's bytes. */
export const INDIRECT_SHIFT = 4;
/**
 * Descriptors that have passed their checks, direct-mapped by the selector's index: the fields of SEG, then those of
 * DESCRIPTOR. An entry holds while the words at `host` are those that it was made from.
 */
export const DESCRIPTORS = 0x54000;
export const DESCRIPTOR_ENTRIES = 64;
export const DESCRIPTOR_BYTES = 64;
/**
 * flat: bit i is set when the descriptor in segment register i does not hinder flat addressing. host: where its words lie.
 * The levels are -1 where a segment register must not hold it: data, the greatest CPL that may load it; stack, the CPL of
 * which it can be the stack; code, the level that a return to it leads to.
 */
export const DESCRIPTOR = {
  flat: 28,
  host: 32,
  lowWord: 36,
  highWord: 40,
  data: 44,
  stack: 48,
  code: 52,
} as const;
/** A target reached more often than this is compiled. */
export const HOT_BRANCHES = 2000;
