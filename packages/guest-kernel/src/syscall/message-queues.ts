/** msgget, msgsnd, msgrcv, msgctl. Source: their manual pages, linux ipc/msg.c. */
import { CAP_SYS_RESOURCE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import * as I from '../abi/ipc.ts';
import { ERESTARTNOHAND } from '../abi/restart.ts';
import { capable } from '../fs/permissions.ts';
import type { Message, MessageQueue, Receiver, Wish } from '../ipc/messages.ts';
import type { Task } from '../task/task.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

const READ = 0o444;
const WRITE = 0o222;
const DS_SIZES = { new: 88, old: 56 } as const;
const INFO_BYTES = 32;
/** Beside the permissions IPC_SET takes the greatest number of bytes, which lies here. */
const QBYTES_AT = { new: 68, old: 48 } as const;

export function msgget(task: Task, key: number, flags: number): number {
  return task.kernel.ipc.messages.get(key | 0, flags, task.cred);
}

export function* msgsnd(task: Task, id: number, va: number, lengthBytes: number, flags: number): Op<number> {
  const { messages } = task.kernel.ipc;
  const type = task.user.read32(va);
  if (type === undefined) return -E.FAULT;
  if (lengthBytes > messages.limits.msgmax || (id | 0) < 0 || (type | 0) < 1) return -E.INVAL;
  const text = new Uint8Array(lengthBytes);
  if (!task.user.read(va + 4, text)) return -E.FAULT;
  const queue = messages.ids.find(id);
  if (queue === undefined) return -E.INVAL;
  for (;;) {
    const denied = queue.checkAccess(task.cred, WRITE);
    if (denied < 0) return denied;
    if (messages.hasRoom(queue, lengthBytes)) break;
    if (flags & I.IPC_NOWAIT) return -E.AGAIN;
    const why = yield { queues: [queue.room], interruptible: true };
    if (queue.removed) return -E.IDRM;
    if (why === 'signal') return -ERESTARTNOHAND;
  }
  messages.send(queue, { type, text });
  return 0;
}

export function* msgrcv(task: Task, [id, va, maxBytes, type, flags]: readonly number[]): Op<number> {
  const { messages } = task.kernel.ipc;
  if ((id | 0) < 0 || (maxBytes | 0) < 0) return -E.INVAL;
  if (flags & I.MSG_COPY) return flags & I.MSG_EXCEPT || !(flags & I.IPC_NOWAIT) ? -E.INVAL : -E.NOSYS;
  const queue = messages.ids.find(id);
  if (queue === undefined) return -E.INVAL;
  const denied = queue.checkAccess(task.cred, READ);
  if (denied < 0) return denied;
  const wish: Wish = { type: type | 0, flags, maxBytes };
  let got = messages.receive(queue, wish);
  if (got === undefined) {
    if (flags & I.IPC_NOWAIT) return -E.NOMSG;
    got = yield* arrival(task, queue, wish);
  }
  if (typeof got === 'number') return got;
  return deliver(task, va, got, maxBytes);
}

function* arrival(task: Task, queue: MessageQueue, wish: Wish): Op<Message | number> {
  const receiver: Receiver = { wish, pid: task.pid, queue: new WaitQueue(), result: undefined };
  queue.receivers.add(receiver);
  for (;;) {
    const why = yield { queues: [receiver.queue], interruptible: true };
    if (receiver.result !== undefined) return receiver.result;
    if (why !== 'signal') continue;
    queue.receivers.delete(receiver);
    return -ERESTARTNOHAND;
  }
}

function deliver(task: Task, va: number, { type, text }: Message, maxBytes: number): number {
  const length = Math.min(text.length, maxBytes);
  const ok = task.user.write32(va, type) && task.user.write(va + 4, text.subarray(0, length));
  return ok ? length : -E.FAULT;
}

export function msgctl(task: Task, id: number, cmd: number, va: number, version: I.IpcVersion): number {
  const { messages, host } = task.kernel.ipc;
  if ((id | 0) < 0 || (cmd | 0) < 0) return -E.INVAL;
  switch (cmd) {
    case I.IPC_INFO:
    case I.MSG_INFO:
      return info(task, cmd, va);
    case I.MSG_STAT:
    case I.MSG_STAT_ANY:
    case I.IPC_STAT: {
      const queue = cmd === I.IPC_STAT ? messages.ids.find(id) : messages.ids.at(id);
      if (queue === undefined) return -E.INVAL;
      const denied = cmd === I.MSG_STAT_ANY ? 0 : queue.checkAccess(task.cred, READ);
      if (denied < 0) return denied;
      return task.user.write(va, describe(queue, version)) ? (cmd === I.IPC_STAT ? 0 : queue.id) : -E.FAULT;
    }
    case I.IPC_SET:
    case I.IPC_RMID: {
      const bytes = new Uint8Array(DS_SIZES[version]);
      if (cmd === I.IPC_SET && !task.user.read(va, bytes)) return -E.FAULT;
      const queue = messages.ids.find(id);
      if (queue === undefined) return -E.INVAL;
      const denied = queue.checkOwner(task.cred);
      if (denied < 0) return denied;
      if (cmd === I.IPC_RMID) {
        messages.remove(queue);
        return 0;
      }
      const view = new DataView(bytes.buffer);
      const at = QBYTES_AT[version];
      const maxBytes = version === 'new' ? view.getUint32(at, true) : view.getUint16(at, true);
      if (maxBytes > messages.limits.msgmnb && !capable(task.cred, CAP_SYS_RESOURCE)) return -E.PERM;
      const rc = queue.change(I.readSettings(bytes, version), host.now());
      if (rc < 0) return rc;
      queue.maxBytes = maxBytes;
      queue.room.wakeAll();
      return 0;
    }
    default:
      return -E.INVAL;
  }
}

function info(task: Task, cmd: number, va: number): number {
  const { ids, limits, totals } = task.kernel.ipc.messages;
  const { msgmax, msgmnb, msgmni } = limits;
  const usage = cmd === I.MSG_INFO;
  const record = new I.IpcRecord({ new: INFO_BYTES, old: INFO_BYTES }, 'new');
  record.word(usage ? ids.size : (msgmni * msgmnb) / 1024);
  record
    .word(usage ? totals.messages : msgmnb)
    .word(msgmax)
    .word(msgmnb)
    .word(msgmni);
  record
    .word(16)
    .word(usage ? totals.bytes : msgmnb)
    .half(0xffff);
  return task.user.write(va, record.bytes) ? ids.highest : -E.FAULT;
}

/** struct msqid_ds. */
function describe(queue: MessageQueue, version: I.IpcVersion): Uint8Array {
  const record = new I.IpcRecord(DS_SIZES, version).permission(queue).oldWords(2);
  record.time(queue.sendTime).time(queue.receiveTime).time(queue.ctime).oldWords(2);
  record.narrow(queue.bytes).narrow(queue.messages.length).narrow(queue.maxBytes);
  return record.narrow(queue.lastSender).narrow(queue.lastReceiver).bytes;
}
