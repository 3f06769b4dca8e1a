/** The limits of System V IPC as /proc/sys/kernel has them. */
import { E } from '../abi/errno.ts';
import type { Setting } from '../fs/proc/kernel-view.ts';
import type { SystemVIpc } from './index.ts';

/** Fields of a record of limits as one setting. @param most what each can be set to at most */
function setting<K extends string>(
  limits: Record<K, number>,
  most: Readonly<Partial<Record<K, number>>>,
): Setting {
  const names = Object.keys(most) as K[];
  return {
    get: () => names.map((name) => limits[name]),
    set: (values) => {
      if (values.length > names.length) return -E.INVAL;
      if (values.some((value, i) => value < 0 || value > (most[names[i]] ?? 0))) return -E.INVAL;
      for (const [i, value] of values.entries()) limits[names[i]] = value;
      return 0;
    },
  };
}

export function ipcSettings({ sharedMemory, semaphores, messages }: SystemVIpc): Record<string, Setting> {
  const [shm, sem, msg] = [sharedMemory.limits, semaphores.limits, messages.limits];
  return {
    shmmax: setting(shm, { shmmax: 0xffff_ffff }),
    shmall: setting(shm, { shmall: sharedMemory.parts.frames.total }),
    shmmni: setting(shm, { shmmni: 32_768 }),
    sem: setting(sem, { semmsl: 65_536, semmns: 1 << 20, semopm: 1024, semmni: 32_768 }),
    msgmax: setting(msg, { msgmax: 1 << 20 }),
    msgmnb: setting(msg, { msgmnb: 1 << 20 }),
    msgmni: setting(msg, { msgmni: 32_000 }),
  };
}
