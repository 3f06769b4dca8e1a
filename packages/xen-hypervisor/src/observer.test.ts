import { Exit } from '@domu/x86-cpu';
import { __HYPERVISOR_sched_op, RUNSTATE_running, SCHEDOP_yield } from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import type { MachineObserver } from './observer.ts';
import { TestGuest } from './testing.ts';

/** Writes down what it is told. */
function recorder(notes: string[]): MachineObserver {
  return {
    runstateChanged: (vcpu) =>
      notes.push(vcpu.runstate.state === RUNSTATE_running ? 'running' : 'not running'),
    exitBegins: ({ domain: { machine } }, exit) =>
      notes.push(exit === Exit.Interrupt ? `int ${machine.cpu.exit.vector} {` : 'fault {'),
    exitEnds: () => notes.push('} exit'),
    hypercallBegins: (_, nr, a0) => notes.push(`call ${nr} ${a0} {`),
    hypercallEnds: (_, nr, result) => notes.push(`} call ${nr} = ${result}`),
    kernelBegins: (_, index) => notes.push(`kernel ${index} {`),
    kernelEnds: () => notes.push('} kernel'),
    upcall: () => notes.push('upcall'),
    eventPending: (domain, port) => notes.push(`d${domain.id} port ${port}`),
    hostWorkBegins: () => notes.push('host {'),
    hostWorkEnds: () => notes.push('} host'),
  };
}

describe('an observer', () => {
  it('is told of a hypercall within its exit, and of who runs', () => {
    const guest = new TestGuest();
    // mov eax, 29; xor ebx, ebx; int 0x82; jmp self
    guest.load([0xb8, __HYPERVISOR_sched_op, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x82, 0xeb, 0xfe]);
    const notes: string[] = [];
    guest.machine.observer = recorder(notes);
    guest.start();
    guest.run();
    expect(notes.slice(0, 6)).toEqual([
      'not running',
      'running',
      'int 130 {',
      `call ${__HYPERVISOR_sched_op} ${SCHEDOP_yield} {`,
      `} call ${__HYPERVISOR_sched_op} = 0`,
      '} exit',
    ]);
    expect([guest.vcpu.exits, guest.vcpu.hypercalls]).toEqual([1, 1]);
  });

  it('is told of host work, and of nothing once it is gone', () => {
    const guest = new TestGuest();
    guest.load([0xeb, 0xfe]);
    guest.start();
    const notes: string[] = [];
    guest.machine.observer = recorder(notes);
    guest.machine.defer(() => notes.push('task'));
    guest.machine.run(1000);
    guest.machine.observer = null;
    guest.machine.defer(() => {});
    guest.machine.run(1000);
    expect(notes.filter((note) => note !== 'running')).toEqual(['host {', 'task', '} host']);
  });
});
