/** System V IPC: numbers and layouts. Source: include/uapi/linux/{ipc,shm,sem,msg}.h, arch/x86 as i386. */

/** An identifier modulo this is the slot of its object. */
export const IPC_SLOTS = 32_768;
export const IPC_PRIVATE = 0;
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;
/** Beside a command: the layouts with 32-bit identities. */
export const IPC_64 = 0x100;

export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;
/** In the mode that is shown: goes with its last mapping. */
export const SHM_DEST = 0o1000;
export const SHM_LOCKED = 0o2000;
export const SHMMIN = 1;

export const SEM_UNDO = 0x1000;
export const SEM_GETPID = 11;
export const SEM_GETVAL = 12;
export const SEM_GETALL = 13;
export const SEM_GETNCNT = 14;
export const SEM_GETZCNT = 15;
export const SEM_SETVAL = 16;
export const SEM_SETALL = 17;
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;
export const SEMVMX = 32_767;

export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;
export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSG_COPY = 0o40000;

/** struct ipc_perm's fields. */
export interface IpcPermission {
  readonly key: number;
  readonly uid: number;
  readonly gid: number;
  readonly cuid: number;
  readonly cgid: number;
  readonly mode: number;
  readonly seq: number;
}

/** Which layout a caller wants: ipc64_perm and its structures, or those from before Linux 2.4. */
export type IpcVersion = 'new' | 'old';

/** Writes fields one behind the other. */
export class IpcRecord {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #version: IpcVersion;
  #at = 0;

  constructor(sizes: Readonly<Record<IpcVersion, number>>, version: IpcVersion) {
    this.bytes = new Uint8Array(sizes[version]);
    this.#view = new DataView(this.bytes.buffer);
    this.#version = version;
  }

  permission(of: IpcPermission): this {
    this.word(of.key);
    if (this.#version === 'new') {
      this.word(of.uid).word(of.gid).word(of.cuid).word(of.cgid);
      return this.half(of.mode).half(0).half(of.seq).half(0).word(0).word(0);
    }
    return this.half(of.uid).half(of.gid).half(of.cuid).half(of.cgid).half(of.mode).half(of.seq);
  }

  word(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  half(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  /** A number that is narrow in the old layout; too large a one shows as its greatest value. */
  narrow(value: number): this {
    return this.#version === 'new' ? this.word(value) : this.half(Math.min(value, 0xffff));
  }

  /** Nanoseconds since 1970, told in seconds. */
  time(ns: bigint): this {
    const seconds = ns / 1_000_000_000n;
    this.word(Number(seconds & 0xffff_ffffn));
    return this.#version === 'new' ? this.word(Number(seconds >> 32n)) : this;
  }

  /** Words that only the old layout has. */
  oldWords(count: number): this {
    if (this.#version === 'old') this.#at += 4 * count;
    return this;
  }
}

/** What IPC_SET takes. */
export interface IpcSettings {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Bytes at the start of shmid_ds, semid_ds and msqid_ds that IPC_SET reads. */
export const PERMISSION_BYTES: Readonly<Record<IpcVersion, number>> = { new: 36, old: 16 };

export function readSettings(bytes: Uint8Array, version: IpcVersion): IpcSettings {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return version === 'new'
    ? { uid: view.getUint32(4, true), gid: view.getUint32(8, true), mode: view.getUint16(20, true) }
    : { uid: view.getUint16(4, true), gid: view.getUint16(6, true), mode: view.getUint16(12, true) };
}
