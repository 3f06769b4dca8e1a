/** System V IPC of the kernel: its three kinds, and what /proc tells of them. */
import type { MemoryParts } from '../mm/address-space.ts';
import { MessageQueues } from './messages.ts';
import { Semaphores } from './semaphores.ts';
import { type IpcHost, SharedMemory } from './shared-memory.ts';
import { UndoList } from './undo.ts';

const PAGE_BYTES = 4096;

export class SystemVIpc {
  readonly sharedMemory: SharedMemory;
  readonly semaphores: Semaphores;
  readonly messages: MessageQueues;
  readonly host: IpcHost;
  readonly #undoBudget = { adjustments: 0 };

  constructor(host: IpcHost, parts: MemoryParts) {
    this.host = host;
    this.sharedMemory = new SharedMemory(host, parts);
    this.semaphores = new Semaphores(host);
    this.messages = new MessageQueues(host, parts.frames.total * PAGE_BYTES);
  }

  newUndoList(): UndoList {
    return new UndoList(this.#undoBudget);
  }
}
