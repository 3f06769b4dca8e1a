import { XenStore } from '@domu/xenstore/server';
import { describe, expect, test } from 'vitest';
import {
  requestShutdown,
  sendSysrq,
  servesShutdown,
  setConsoleSize,
  shutdownAcknowledged,
} from './control.ts';
import { createDomainNodes } from './domain-nodes.ts';

const HOME = '/local/domain/7';

function newStore(): XenStore {
  const store = new XenStore({ defer: (job) => job(), domainExists: () => true });
  createDomainNodes(store, {
    domid: 7,
    name: 'x',
    uuid: '00000000-0000-0000-0000-000000000007',
    memoryKiB: 1,
    maxMemoryKiB: 1,
    vcpus: [true],
    store: { port: 1, mfn: 1 },
    console: { port: 2, mfn: 2 },
  });
  return store;
}

describe('requests to a guest', () => {
  test('a guest serves what it says it serves', () => {
    const store = newStore();
    expect(servesShutdown(store, 7, 'poweroff')).toBe(false);
    store.write(`${HOME}/control/feature-poweroff`, '1');
    expect(servesShutdown(store, 7, 'poweroff')).toBe(true);
    expect(servesShutdown(store, 7, 'halt')).toBe(true);
    expect(servesShutdown(store, 7, 'suspend')).toBe(false);
  });

  test.each(['poweroff', 'reboot', 'halt', 'suspend'] as const)(
    '%s is asked for, then acknowledged',
    (word) => {
      const store = newStore();
      expect(shutdownAcknowledged(store, 7)).toBe(true);
      requestShutdown(store, 7, word);
      expect(store.read(`${HOME}/control/shutdown`)).toBe(word);
      expect(shutdownAcknowledged(store, 7)).toBe(false);
      store.write(`${HOME}/control/shutdown`, '');
      expect(shutdownAcknowledged(store, 7)).toBe(true);
    },
  );

  test("a SysRq key is written to its node, which stays the guest's", () => {
    const store = newStore();
    sendSysrq(store, 7, 's');
    expect(store.read(`${HOME}/control/sysrq`)).toBe('s');
    expect(store.getPerms(`${HOME}/control/sysrq`)).toEqual(['n7']);
  });
});

test('the size of the console is there for the guest to read, not to write', () => {
  const store = newStore();
  setConsoleSize(store, 7, { columns: 80, rows: 24 });
  expect(store.read(`${HOME}/control/console-size`)).toBe('80x24');
  expect(store.getPerms(`${HOME}/control/console-size`)).toEqual(['n0', 'r7']);
});
