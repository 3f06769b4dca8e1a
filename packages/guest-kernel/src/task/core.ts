/**
 * Every entry into the kernel, and every way out. TypeScript runs to completion: an entry ends with the vCPU set to a user
 * task, to a stub that comes back, or to sleep.
 */
import { VcpuInfo } from '@domu/xen-abi';
import { E } from '../abi/errno.ts';
import {
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
  INT80_BYTES,
} from '../abi/restart.ts';
import { SA_RESTART, SIGSEGV, type SignalInfo } from '../abi/signals.ts';
import { ENTRY_BOOT, ENTRY_EVENT, ENTRY_FPU_DONE, ENTRY_SYSCALL, ENTRY_WOKEN } from '../boot/layout.ts';
import { STUB_RESUME_POPS } from '../boot/stubs.ts';
import type { Kernel } from '../kernel.ts';
import { FAULT_OK, FAULT_OOM } from '../mm/address-space.ts';
import { faultSignal, trapSignal, VECTOR_NM, VECTOR_PF } from './exceptions.ts';
import { endThread } from './exit.ts';
import { outOfMemory } from './out-of-memory.ts';
import type { Runnable } from './runnable.ts';
import { enterHandler } from './signal-frame.ts';
import { Task } from './task.ts';
import * as R from './user-registers.ts';
import { type Op, WaitQueue } from './wait.ts';

/** How long a task may run while others wait, in nanoseconds. */
const SLICE_NS = 10_000_000n;
/** Page-fault error code: it was a write. */
const PF_WRITE = 2;
const ERROR_CODE_VECTORS = new Set([8, 10, 11, 12, 13, 14, 17]);

export class Core {
  /** Whose user registers are in the vCPU, or who is being worked for. */
  current: Task | null = null;
  readonly #kernel: Kernel;
  /** When the current task must make way; null: nobody waits, or it has just begun. */
  #sliceEnd: bigint | null = null;
  /** What Xen's timer is set to. */
  #armed: bigint | null = null;
  #preempt = false;
  /** Who has had the processor, and since when. */
  #charged: Task | null = null;
  #chargedFrom = 0n;
  /** Nobody is woken through it: a stopped task sleeps on it. */
  readonly #never: WaitQueue = new WaitQueue();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** @param index of the semihosting stub */
  enter(index: number): void {
    this.#kernel.clock.moveOn();
    if (index === ENTRY_SYSCALL) this.#systemCall();
    else if (index === ENTRY_EVENT) this.#event();
    else if (index === ENTRY_WOKEN || index === ENTRY_FPU_DONE || index === ENTRY_BOOT) this.run();
    else if (index < 32) this.#exception(index);
    else throw new Error(`entry ${index} is not used`);
  }

  // ---- entries ----

  #systemCall(): void {
    const { regs } = this.#kernel.ram.port;
    const task = this.current;
    if (task === null || (this.#kernel.ram.read32(regs.esp + 4) & 3) !== 3)
      throw new Error('a system call from kernel mode');
    const frame = regs.esp;
    const number = regs.eax;
    const args = [regs.ebx, regs.ecx, regs.edx, regs.esi, regs.edi, regs.ebp];
    const row = this.#kernel.calls.find(number);
    task.call = number;
    if (row.wantsRegisters) {
      this.#kernel.processor.save(task, frame);
      if (row.wantsFpu && this.#kernel.fpu.mustSave(task)) {
        // The stub comes back to `run`, which finds the call to be made.
        task.beginCall(this.#kernel.calls.asOp(row, task, args));
        this.#kernel.fpu.save(task);
        return;
      }
    }
    const { user } = this.#kernel;
    user.missed = -1;
    const made = this.#kernel.calls.invoke(row, task, args);
    const result = typeof made === 'number' ? made : this.#begin(task, made, frame, row.wantsRegisters);
    if (result === undefined) return this.run();
    if (this.#isUnsettled(task, result)) {
      if (!task.saved) this.#kernel.processor.save(task, frame);
      task.beginCall(this.#settle(task, result));
      return this.run();
    }
    const isPlain = !row.wantsRegisters && !task.hasWork && !this.#preempt;
    if (isPlain && !isRestart(result)) {
      task.call = -1;
      task.saved = false;
      if (typeof made !== 'number') this.#arm(true);
      this.#kernel.processor.returnFast(frame, result);
      return;
    }
    if (!task.saved) this.#kernel.processor.save(task, frame);
    this.#finish(task, result);
    this.run();
  }

  /**
   * Begins a call that may sleep. One that does not ends here, without the way through the scheduler.
   * @returns undefined when it goes on later
   */
  #begin(task: Task, op: Op<number>, frame: number, changesRegisters: boolean): number | undefined {
    const { processor, scheduler } = this.#kernel;
    if (!task.saved) processor.save(task, frame);
    task.beginCall(op);
    // These may change the memory in use as well.
    if (changesRegisters) return undefined;
    const result = scheduler.step(task);
    if (result === undefined) this.current = null;
    else task.opIsCall = false;
    return result;
  }

  #event(): void {
    const { regs } = this.#kernel.ram.port;
    const task = this.current;
    const fromUser = (this.#kernel.ram.read32(regs.esp + 4) & 3) === 3;
    if (fromUser && task !== null) this.#kernel.processor.save(task, regs.esp);
    this.#kernel.events.upcall(0);
    const now = this.#kernel.clock.now();
    this.#preempt = this.#sliceEnd !== null && now >= this.#sliceEnd;
    this.run();
  }

  #exception(vector: number): void {
    const { ram, processor } = this.#kernel;
    const { regs } = ram.port;
    const hasCode = ERROR_CODE_VECTORS.has(vector);
    const frame = regs.esp + (hasCode ? 4 : 0);
    const code = hasCode ? ram.read32(regs.esp) : 0;
    const task = this.current;
    if ((ram.read32(frame + 4) & 3) !== 3) return this.#kernelException(vector, frame);
    if (task === null) throw new Error(`exception ${vector} without a task`);
    if (vector === VECTOR_PF) return this.#pageFault(task, frame, code);
    processor.save(task, frame);
    if (vector === VECTOR_NM && this.#kernel.fpu.take(task)) return;
    this.#trap(task, trapSignal(vector, task), vector, code);
    this.run();
  }

  #pageFault(task: Task, frame: number, code: number): void {
    const { ram, processor, sharedInfo } = this.#kernel;
    const address = ram.read32(sharedInfo + VcpuInfo.arch.cr2.offset);
    const op = this.#resolve(task, address, code);
    const step = op.next('event');
    if (step.done && step.value === FAULT_OK && !task.hasWork) {
      processor.returnFast(frame, ram.port.regs.eax);
      return;
    }
    processor.save(task, frame);
    if (!step.done) {
      this.#kernel.scheduler.sleep(task, step.value);
      task.op = op;
      this.current = null;
    }
    this.run();
  }

  /** Brings a page in, or sends the signal. */
  *#resolve(task: Task, address: number, code: number): Op<number> {
    const result = yield* task.process.memory.fault(address, (code & PF_WRITE) !== 0);
    task.process.usage.minorFaults++;
    if (result === FAULT_OK) return FAULT_OK;
    if (result === FAULT_OOM && outOfMemory(this.#kernel)) return FAULT_OK;
    task.faultAddress = address;
    this.#trap(task, faultSignal(result, address), VECTOR_PF, code);
    return result;
  }

  #trap(task: Task, info: SignalInfo, vector: number, code: number): void {
    task.trapNumber = vector;
    task.faultCode = code;
    this.#kernel.signals.force(task, info);
  }

  /** The only instructions in ring 1 that may fault are those that load the user's selectors. */
  #kernelException(vector: number, frame: number): void {
    const eip = this.#kernel.ram.read32(frame);
    const which = STUB_RESUME_POPS.indexOf(eip);
    const task = this.current;
    if (which < 0 || task === null)
      throw new Error(`exception ${vector} in the kernel at ${eip.toString(16)}`);
    task.regs[which] = 0;
    task.saved = true;
    this.run();
  }

  /** Xen's timer has fired. */
  timerFired(): void {
    this.#armed = null;
  }

  // ---- the way out ----

  /** Finds out who goes on, and lets it. */
  run(): void {
    const { scheduler, timers, clock, processor } = this.#kernel;
    for (;;) {
      const due = timers.next();
      if (due !== null && due <= clock.now()) timers.runDue(clock.now());
      if (this.#preempt && this.current !== null && scheduler.waiting > 0) {
        scheduler.enqueue(this.current);
        this.current = null;
      }
      this.#preempt = false;
      const runnable: Runnable | null = this.current ?? scheduler.next();
      if (runnable === null) {
        this.#charge(null);
        this.#arm(false);
        processor.idle();
        return;
      }
      if (runnable !== this.#charged) {
        this.#sliceEnd = null;
        this.#charge(runnable instanceof Task ? runnable : null);
      }
      if (!(runnable instanceof Task)) {
        scheduler.step(runnable);
        continue;
      }
      this.current = runnable;
      if (this.#continueTask(runnable)) return;
      this.current = null;
    }
  }

  /** CPU time that a task has used since it was last charged for some. */
  runningSince(task: Task): bigint {
    return task === this.#charged ? this.#kernel.clock.now() - this.#chargedFrom : 0n;
  }

  /** From now on the processor is used by `next`. */
  #charge(next: Task | null): void {
    if (next === null && this.#charged === null) return;
    const now = this.#kernel.clock.now();
    if (this.#charged !== null) this.#charged.userNs += now - this.#chargedFrom;
    this.#charged = next;
    this.#chargedFrom = now;
  }

  /** @returns whether the vCPU is set to go on; else the task sleeps or is gone */
  #continueTask(task: Task): boolean {
    const { fpu, mmu, scheduler, user } = this.#kernel;
    mmu.use(task.process.memory.root);
    user.space = task.process.memory;
    user.late = task.late;
    while (task.op !== null || task.hasWork || task.late.length > 0) {
      if (task.op !== null) {
        user.missed = -1;
        const result = scheduler.step(task);
        if (result === undefined) return false;
        if (task.opIsCall && this.#isUnsettled(task, result)) task.beginCall(this.#settle(task, result));
        else if (task.opIsCall) {
          task.opIsCall = false;
          this.#finish(task, result);
        }
        // Exec and vfork change the memory on the way.
        mmu.use(task.process.memory.root);
        user.space = task.process.memory;
        continue;
      }
      if (task.ending) {
        endThread(this.#kernel, task);
        return false;
      }
      if (task.late.length > 0) {
        task.op = this.#settle(task, 0);
        continue;
      }
      if (fpu.mustSave(task)) {
        fpu.save(task);
        return true;
      }
      this.#deliver(task);
    }
    this.#arm(true);
    fpu.prepare(task);
    this.#kernel.processor.resume(task);
    return true;
  }

  /** One signal, or whatever else keeps the task from user mode. */
  #deliver(task: Task): void {
    const { signals } = this.#kernel;
    if (task.process.stopped !== 0) {
      task.op = this.#stopped(task);
      return;
    }
    const delivery = signals.next(task);
    switch (delivery.kind) {
      case 'none':
        this.#restartCall(task, null);
        if (task.maskToRestore !== null) {
          task.blocked = task.maskToRestore;
          task.maskToRestore = null;
        }
        break;
      case 'handler':
        this.#restartCall(task, delivery.action.flags);
        if (!enterHandler(task, delivery.info, delivery.action)) signals.endProcess(task.process, SIGSEGV);
        break;
      case 'stop':
        signals.stop(task.process, delivery.signal);
        break;
      case 'end':
        signals.endProcess(task.process, delivery.status);
        break;
    }
    signals.recompute(task);
  }

  *#stopped(task: Task): Op<number> {
    while (task.process.stopped !== 0 && !task.ending) yield { queues: [this.#never], interruptible: true };
    return 0;
  }

  /** The call has to do with pages that are on their way from a disk. */
  #isUnsettled(task: Task, result: number): boolean {
    return task.late.length > 0 || (result === -E.FAULT && this.#kernel.user.missed >= 0);
  }

  /** Makes the late writes, or waits for the page that a read missed, after which the call begins again. */
  *#settle(task: Task, result: number, missed: number = this.#kernel.user.missed): Op<number> {
    const { user } = this.#kernel;
    for (const { space, va, bytes } of task.late.splice(0)) {
      // Whoever has executed another program since has no use for it.
      if (space !== task.process.memory) continue;
      if (!(yield* user.populate(va, bytes.length, true)) || !user.write(va, bytes)) return -E.FAULT;
    }
    if (result !== -E.FAULT || missed < 0) return result;
    return (yield* user.populate(missed, 1, false)) ? -ERESTARTNOINTR : result;
  }

  /** The result of a system call goes to the user, except the codes that say how to begin it again. */
  #finish(task: Task, result: number): void {
    const restarts = task.call >= 0 && isRestart(result);
    if (!restarts) task.call = -1;
    task.regs[R.EAX] = result;
    if (restarts) task.hasWork = true;
  }

  /** @param flags of the handler that runs first, or null when none does */
  #restartCall(task: Task, flags: number | null): void {
    if (task.call < 0) return;
    const code = -(task.regs[R.EAX] | 0);
    const interrupted =
      flags !== null &&
      (code === ERESTARTNOHAND ||
        code === ERESTART_RESTARTBLOCK ||
        (code === ERESTARTSYS && !(flags & SA_RESTART)));
    if (interrupted) {
      task.regs[R.EAX] = -E.INTR;
    } else if (code === ERESTART_RESTARTBLOCK && task.restart !== null) {
      task.beginCall(task.restart());
      return;
    } else {
      task.regs[R.EAX] = task.call;
      task.regs[R.EIP] -= INT80_BYTES;
    }
    task.call = -1;
  }

  /** Sets Xen's timer to whatever comes first: a deadline, or the end of the slice if others wait. */
  #arm(running: boolean): void {
    const { clock, scheduler, timers } = this.#kernel;
    let deadline = timers.next();
    if (running && scheduler.waiting > 0) {
      this.#sliceEnd ??= clock.now() + SLICE_NS;
      if (deadline === null || this.#sliceEnd < deadline) deadline = this.#sliceEnd;
    }
    if (deadline === this.#armed) return;
    // A timer that comes too early does no harm; setting it anew each time would cost more.
    if (
      running &&
      this.#armed !== null &&
      deadline !== null &&
      this.#armed < deadline &&
      this.#armed > clock.now()
    )
      return;
    this.#armed = deadline;
    clock.wakeAt(deadline);
  }
}

const isRestart = (result: number): boolean => -result >= ERESTARTSYS && -result <= ERESTART_RESTARTBLOCK;
