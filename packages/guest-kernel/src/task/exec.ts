/** execve. Source: execve(2), linux fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c. */
import { E } from '../abi/errno.ts';
import { O_RDONLY } from '../abi/fcntl.ts';
import { RLIMIT_STACK } from '../abi/limits.ts';
import { MS_NOEXEC } from '../abi/mount.ts';
import { isRegular, S_ISGID, S_ISUID } from '../abi/stat.ts';
import { PAGE_SIZE, TASK_SIZE, USER_CS, USER_DS } from '../boot/layout.ts';
import { letGo } from '../fs/file-handle.ts';
import { checkAccess, MAY_EXEC } from '../fs/permissions.ts';
import type { ByteString, FileHandle, Path } from '../fs/types.ts';
import { Walk } from '../fs/walk.ts';
import type { Kernel } from '../kernel.ts';
import { AddressSpace } from '../mm/address-space.ts';
import { mapFixed } from '../mm/mapping.ts';
import { PROT_WRITE } from '../mm/vma.ts';
import { forProgram } from './capabilities.ts';
import { EHDR_BYTES, type ElfProgram, programHeaderBytes, readHeader, readProgram } from './elf.ts';
import { STACK_RESERVE, STACK_TOP, type StackFacts, writeStack } from './exec-stack.ts';
import { leaveMemory } from './exit.ts';
import { SignalActions } from './signal-state.ts';
import { NO_ALT_STACK, type Task } from './task.ts';
import * as R from './user-registers.ts';
import type { Op } from './wait.ts';

/** Bytes of a file that say what it is. */
const PROBE_BYTES = 256;
const MAX_SCRIPT_DEPTH = 5;
/** Where position-independent programs go, as Linux without randomisation. */
const DYN_BASE = 0x5655_5000;
const INTERPRETER_TOP = 0xb7ff_f000;

export interface Arguments {
  readonly argv: readonly ByteString[];
  readonly envp: readonly ByteString[];
}

interface Found {
  readonly handle: FileHandle;
  readonly program: ElfProgram;
  /** Path as execve was given it, for AT_EXECFN. */
  readonly name: ByteString;
  readonly argv: readonly ByteString[];
}

/** @returns 0 with the task set to begin the program, or -errno with everything as it was; a failure in between ends it */
export function* execute(
  kernel: Kernel,
  task: Task,
  start: Path,
  path: ByteString,
  args: Arguments,
): Op<number> {
  const found = yield* findProgram(task, start, path, args.argv, 0);
  if (typeof found === 'number') return found;
  const { handle, program } = found;
  const interpreter = yield* openInterpreter(task, program, handle);
  if (typeof interpreter === 'number') {
    letGo(handle);
    return interpreter;
  }
  const bias = program.header.dynamic ? DYN_BASE - program.start : 0;
  // One that is linked to an address (klibc's) stays there.
  const interpreterBias = interpreter?.program.header.dynamic
    ? INTERPRETER_TOP - pageUp(interpreter.program.end)
    : 0;
  const fit = fits(program, bias) && (interpreter === null || fits(interpreter.program, interpreterBias));
  const memory = fit ? AddressSpace.create(kernel.memoryParts) : null;
  if (memory === null) {
    letGo(handle);
    if (interpreter !== null) letGo(interpreter.handle);
    return -E.NOMEM;
  }
  if (handle.inode !== undefined) memory.execute(handle.inode);
  mapProgram(kernel, task, memory, { handle, program, bias });
  if (interpreter !== null) mapProgram(kernel, task, memory, { ...interpreter, bias: interpreterBias });
  memory.brkStart = pageUp(program.end + bias);
  memory.brk = memory.brkStart;
  mapFixed(memory, {
    start: STACK_TOP - STACK_RESERVE,
    end: STACK_TOP,
    prot: 7,
    growsDown: true,
    label: '[stack]',
  });
  memory.stackTop = STACK_TOP;
  kernel.vdso.map(memory);
  yield* otherThreadsEnd(kernel, task);
  setCredentials(task, handle);
  replaceMemory(kernel, task, memory);
  const cleared =
    (yield* clearTail(kernel, program, bias)) &&
    (interpreter === null || (yield* clearTail(kernel, interpreter.program, interpreterBias)));
  const facts: StackFacts = {
    argv: found.argv,
    envp: args.envp,
    name: found.name,
    phdr: program.phdrVa === 0 ? 0 : program.phdrVa + bias,
    phnum: program.header.phnum,
    base: interpreterBias,
    entry: program.header.entry + bias,
    random: kernel.randomBytes(16),
    secure: task.cred.uid !== task.cred.euid || task.cred.gid !== task.cred.egid,
  };
  const sp = writeStack(kernel.user, memory, task.cred, facts);
  const entry = interpreter === null ? facts.entry : interpreter.program.header.entry + interpreterBias;
  letGo(handle);
  if (interpreter !== null) letGo(interpreter.handle);
  if (!cleared || sp < 0) {
    kernel.signals.endProcess(task.process, 11);
    return 0;
  }
  beginProgram(kernel, task, { entry, sp, name: path });
  return 0;
}

/** Opens what is to be run, through `#!` lines to a program. */
function* findProgram(
  task: Task,
  start: Path,
  path: ByteString,
  argv: readonly ByteString[],
  depth: number,
): Op<Found | number> {
  if (depth > MAX_SCRIPT_DEPTH) return -E.LOOP;
  const handle = yield* openForExec(task, start, path);
  if (typeof handle === 'number') return handle;
  const head = yield* readSome(task, handle, 0, PROBE_BYTES);
  if (typeof head !== 'number' && head[0] === 0x23 && head[1] === 0x21) {
    letGo(handle);
    const line = scriptLine(head);
    if (line === null) return -E.NOEXEC;
    return yield* findProgram(task, start, line[0], [...line, path, ...argv.slice(1)], depth + 1);
  }
  const program = typeof head === 'number' ? head : yield* readElf(task, handle, head);
  if (typeof program === 'number') {
    letGo(handle);
    return program;
  }
  return { handle, program, name: path, argv };
}

function* openForExec(task: Task, start: Path, path: ByteString): Op<FileHandle | number> {
  const found = yield* new Walk(task).find(start, path, true);
  if (typeof found === 'number') return found;
  if (!isRegular(found.inode) || found.mount.flags & MS_NOEXEC) return -E.ACCES;
  const denied = checkAccess(found.inode, task.cred, MAY_EXEC);
  return denied < 0 ? denied : yield* task.fs.vfs.openPath(task, found, O_RDONLY);
}

function* readSome(task: Task, handle: FileHandle, pos: number, length: number): Op<Uint8Array | number> {
  const bytes = new Uint8Array(length);
  const got = yield* handle.read(bytes, pos, task);
  return got < 0 ? got : bytes.subarray(0, got);
}

function* readElf(task: Task, handle: FileHandle, head: Uint8Array): Op<ElfProgram | number> {
  const header = readHeader(head.subarray(0, EHDR_BYTES));
  if (typeof header === 'number') return header;
  const table = yield* readSome(task, handle, header.phoff, programHeaderBytes(header));
  if (typeof table === 'number') return table;
  if (table.length < programHeaderBytes(header)) return -E.NOEXEC;
  return readProgram(header, table);
}

/** `#! interpreter [argument]`: at most one argument, blanks in it kept. */
function scriptLine(head: Uint8Array): [ByteString] | [ByteString, ByteString] | null {
  const end = head.indexOf(0x0a);
  const text = String.fromCharCode(...head.subarray(2, end < 0 ? head.length : end)).replace(/\0.*$/, '');
  const match = /^[ \t]*([^ \t]+)(?:[ \t]+(.*?))?[ \t]*$/.exec(text);
  if (match === null || (end < 0 && match[2] === undefined && head.length === PROBE_BYTES)) return null;
  return match[2] === undefined || match[2] === '' ? [match[1]] : [match[1], match[2]];
}

interface Interpreter {
  readonly handle: FileHandle;
  readonly program: ElfProgram;
}

function* openInterpreter(
  task: Task,
  program: ElfProgram,
  handle: FileHandle,
): Op<Interpreter | null | number> {
  if (program.interpreter === null) return null;
  const { offset, length } = program.interpreter;
  const bytes = yield* readSome(task, handle, offset, length);
  if (typeof bytes === 'number') return bytes;
  if (bytes.length < length || bytes[length - 1] !== 0) return -E.NOEXEC;
  const path = String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
  const opened = yield* openForExec(task, task.fs.cwd, path);
  if (typeof opened === 'number') return opened;
  const head = yield* readSome(task, opened, 0, PROBE_BYTES);
  const read = typeof head === 'number' ? head : yield* readElf(task, opened, head);
  if (typeof read !== 'number') return { handle: opened, program: read };
  letGo(opened);
  return read === -E.NOEXEC ? -E.LIBBAD : read;
}

interface Placed extends Interpreter {
  readonly bias: number;
}

/** Whether all segments lie in user memory where the program is placed: one that may lie anywhere may be too long for that. */
const fits = ({ start, end }: ElfProgram, bias: number): boolean =>
  start + bias >= 0 && pageUp(end + bias) <= TASK_SIZE;

function mapProgram(
  kernel: Kernel,
  task: Task,
  memory: AddressSpace,
  { handle, program, bias }: Placed,
): void {
  for (const { va, offset, fileBytes, memoryBytes, prot } of program.segments) {
    const start = pageDown(va + bias);
    const fileEnd = fileBytes === 0 ? start : pageUp(va + bias + fileBytes);
    const end = pageUp(va + bias + memoryBytes);
    if (fileEnd > start)
      mapFixed(memory, {
        start,
        end: fileEnd,
        prot,
        source: kernel.sourceOf(handle, task.fs.root),
        firstPage: pageDown(offset) / PAGE_SIZE,
      });
    if (end > fileEnd) mapFixed(memory, { start: fileEnd, end, prot });
  }
}

/** Zeros between the end of a segment's file part and the end of that page. @returns false when memory is used up */
function* clearTail(kernel: Kernel, program: ElfProgram, bias: number): Op<boolean> {
  for (const { va, fileBytes, memoryBytes, prot } of program.segments) {
    const from = va + bias + fileBytes;
    // To the end of the page, as Linux does it: the dynamic linker takes its first memory from there.
    const length = memoryBytes > fileBytes ? pageUp(from) - from : 0;
    if (length <= 0 || fileBytes === 0 || !(prot & PROT_WRITE)) continue;
    if (!(yield* kernel.user.populate(from, length, true))) return false;
    if (!kernel.user.write(from, new Uint8Array(length))) return false;
  }
  return true;
}

/** A new program has one thread. */
function* otherThreadsEnd(kernel: Kernel, task: Task): Op<number> {
  const { process } = task;
  for (const other of process.threads) if (other !== task) kernel.signals.endTask(other);
  while (process.threads.size > 1)
    yield { queues: [], deadline: kernel.clock.now() + 1_000_000n, interruptible: false };
  return 0;
}

function setCredentials(task: Task, handle: FileHandle): void {
  const { inode } = handle;
  const { cred } = task;
  const mode = inode?.mode ?? 0;
  const mayChange = inode !== undefined && !task.noNewPrivileges;
  const euid = mayChange && mode & S_ISUID ? inode.uid : cred.euid;
  const egid = mayChange && mode & S_ISGID && mode & 0o10 ? inode.gid : cred.egid;
  const users = { ...cred, euid, egid, suid: euid, sgid: egid, fsuid: euid, fsgid: egid };
  task.cred = forProgram(users, euid !== cred.euid || egid !== cred.egid);
}

function replaceMemory(kernel: Kernel, task: Task, memory: AddressSpace): void {
  const { process } = task;
  kernel.mmu.use(memory.root);
  kernel.user.space = memory;
  leaveMemory(process);
  process.memory = memory;
  memory.stackLimit = process.limits[RLIMIT_STACK][0];
}

function beginProgram(
  kernel: Kernel,
  task: Task,
  { entry, sp, name }: { readonly entry: number; readonly sp: number; readonly name: ByteString },
): void {
  const { process, regs } = task;
  regs.fill(0);
  regs[R.EIP] = entry;
  regs[R.ESP] = sp;
  regs[R.CS] = USER_CS;
  for (const selector of [R.DS, R.ES, R.SS]) regs[selector] = USER_DS;
  regs[R.EFLAGS] = R.EFLAGS_IF | R.EFLAGS_FIXED;
  task.tls.fill(0);
  task.altStack = NO_ALT_STACK;
  task.clearChildTid = 0;
  task.robustList = 0;
  task.restart = null;
  task.name = name.slice(name.lastIndexOf('/') + 1).slice(0, 15);
  kernel.fpu.release(task);
  if (kernel.fileShares.users(task.files) > 1) {
    const own = task.files.copy();
    kernel.fileShares.leave(task.files);
    task.files = own;
  }
  task.files.closeOnExec();
  process.actions = new SignalActions(process.actions);
  process.actions.forExec();
  process.dropPosixTimers();
  process.hasExeced = true;
  process.program = name;
}

const pageDown = (va: number): number => va - (va % PAGE_SIZE);
const pageUp = (va: number): number => pageDown(va + PAGE_SIZE - 1);
