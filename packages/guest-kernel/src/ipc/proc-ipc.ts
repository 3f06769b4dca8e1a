/** The files of /proc/sysvipc. Source: proc(5), linux ipc/{shm,sem,msg}.c. */
import type { IpcObject } from './ids.ts';
import type { SystemVIpc } from './index.ts';

const wide = (value: number | bigint): string => String(value).padStart(10);
const narrow = (value: number): string => String(value >>> 0).padStart(5);
const seconds = (ns: bigint): string => wide(ns / 1_000_000_000n);
const head = ({ key, id, mode }: IpcObject): string =>
  `${wide(key | 0)} ${wide(id)}  ${mode.toString(8).padStart(4)}`;
const owners = ({ uid, gid, cuid, cgid }: IpcObject): string => [uid, gid, cuid, cgid].map(narrow).join(' ');

const SHM =
  '       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime        rss       swap\n';
const SEM = '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n';
const MSG =
  '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n';

export function procIpc(ipc: SystemVIpc): Record<string, () => string> {
  return {
    shm: () => {
      const rows = [...ipc.sharedMemory.ids].map((s) => {
        const times = [s.attachTime, s.detachTime, s.ctime].map(seconds).join(' ');
        const pids = `${narrow(s.creatorPid)} ${narrow(s.lastPid)}`;
        return `${head(s)} ${wide(s.sizeBytes)} ${pids}  ${narrow(s.attached)} ${owners(s)} ${times} ${wide(s.residentBytes)} ${wide(0)}\n`;
      });
      return SHM + rows.join('');
    },
    sem: () => {
      const rows = [...ipc.semaphores.ids].map(
        (s) => `${head(s)} ${wide(s.values.length)} ${owners(s)} ${seconds(s.opTime)} ${seconds(s.ctime)}\n`,
      );
      return SEM + rows.join('');
    },
    msg: () => {
      const rows = [...ipc.messages.ids].map((q) => {
        const times = [q.sendTime, q.receiveTime, q.ctime].map(seconds).join(' ');
        const pids = `${narrow(q.lastSender)} ${narrow(q.lastReceiver)}`;
        return `${head(q)}  ${wide(q.bytes)} ${wide(q.messages.length)} ${pids} ${owners(q)} ${times}\n`;
      });
      return MSG + rows.join('');
    },
  };
}
