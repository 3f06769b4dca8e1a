/** What a new program finds on its stack. Source: System V ABI i386, linux fs/binfmt_elf.c create_elf_tables. */
import { E } from '../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { ByteString, Credentials, UserMemory } from '../fs/types.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { VDSO_ADDRESS } from '../time/vdso.ts';
import { VDSO_ENTRY } from '../time/vdso-image.ts';

export const STACK_TOP: number = TASK_SIZE - PAGE_SIZE;
/** What is mapped at first; it grows. */
export const STACK_RESERVE: number = 33 * PAGE_SIZE;
/** Argument and environment strings together, a quarter of the stack's limit. */
export const MAX_ARGUMENT_BYTES: number = 2 << 20;

const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_BASE = 7;
const AT_FLAGS = 8;
const AT_ENTRY = 9;
const AT_UID = 11;
const AT_EUID = 12;
const AT_GID = 13;
const AT_EGID = 14;
const AT_PLATFORM = 15;
const AT_HWCAP = 16;
const AT_CLKTCK = 17;
const AT_SECURE = 23;
const AT_RANDOM = 25;
const AT_EXECFN = 31;
const AT_SYSINFO = 32;
const AT_SYSINFO_EHDR = 33;

/** CPUID.1:EDX of what programs may rely on: FPU, TSC, CX8, CMOV. */
const HARDWARE = 0x8111;
const TICKS_PER_SECOND = 100;
const PHDR_BYTES = 32;

export interface StackFacts {
  readonly argv: readonly ByteString[];
  readonly envp: readonly ByteString[];
  readonly name: ByteString;
  readonly phdr: number;
  readonly phnum: number;
  readonly base: number;
  readonly entry: number;
  readonly random: Uint8Array;
  readonly secure: boolean;
}

/** @returns the stack pointer, or -errno. Preconditions: `memory` is in use */
export function writeStack(
  user: UserMemory,
  memory: AddressSpace,
  cred: Credentials,
  facts: StackFacts,
): number {
  let sp = STACK_TOP - 4;
  let ok = true;
  const put = (bytes: Uint8Array): number => {
    sp -= bytes.length;
    ok = user.write(sp, bytes) && ok;
    return sp;
  };
  const text = (value: ByteString): number => put(latin1(`${value}\0`));
  const name = text(facts.name);
  memory.envEnd = sp;
  const envp = facts.envp.map((_, i) => text(facts.envp[facts.envp.length - 1 - i])).reverse();
  memory.envStart = sp;
  memory.argEnd = sp;
  const argv = facts.argv.map((_, i) => text(facts.argv[facts.argv.length - 1 - i])).reverse();
  memory.argStart = sp;
  const platform = text('i686');
  const random = put(facts.random);
  const auxiliary = [
    ...[AT_SYSINFO, VDSO_ADDRESS + VDSO_ENTRY, AT_SYSINFO_EHDR, VDSO_ADDRESS],
    ...[AT_HWCAP, HARDWARE, AT_PAGESZ, PAGE_SIZE, AT_CLKTCK, TICKS_PER_SECOND],
    ...[AT_PHDR, facts.phdr, AT_PHENT, PHDR_BYTES, AT_PHNUM, facts.phnum],
    ...[AT_BASE, facts.base, AT_FLAGS, 0, AT_ENTRY, facts.entry],
    ...[AT_UID, cred.uid, AT_EUID, cred.euid, AT_GID, cred.gid, AT_EGID, cred.egid],
    ...[AT_SECURE, facts.secure ? 1 : 0, AT_RANDOM, random, AT_EXECFN, name, AT_PLATFORM, platform, 0, 0],
  ];
  const words = Uint32Array.from([argv.length, ...argv, 0, ...envp, 0, ...auxiliary]);
  sp = ((sp & ~15) - ((words.length * 4 + 15) & ~15)) >>> 0;
  ok = user.write(sp, new Uint8Array(words.buffer)) && ok;
  return ok ? sp : -E.FAULT;
}

function latin1(text: ByteString): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
