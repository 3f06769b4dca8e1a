import { afterAll, describe, expect, test } from 'vitest';
import { domu, Sandbox } from './harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
/** Some hundred megabytes of downloads, so only when asked for. */
const all = process.env.DOMU_FETCH === 'all';
const TIMEOUT_MS = 600_000;

describe('what domu fetch fetches from Debian', () => {
  const fetched = async (...what: string[]): Promise<string> => {
    const { code, stdout, stderr } = await domu(['fetch', ...what, '--cache', sandbox.path('cache')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim();
  };
  const play = (guest: string[], ...script: string[]): ReturnType<typeof domu> =>
    domu(['run', ...guest, '--timeout', '300', ...script]);

  test(
    'boots',
    async ({ skip }) => {
      if (!all) return skip('DOMU_FETCH=all fetches it');
      expect(await play([await fetched('grub')], '--expect', 'grub>')).toMatchObject({ code: 0 });
      const busybox = ['guest-kernel', '--rootfs', await fetched('busybox')];
      const answer = [
        '--expect',
        '# ',
        '--type',
        'echo $((6*7)); exit\\n',
        '--expect',
        '^42',
        '--expect',
        'Power down',
      ];
      expect(await play(busybox, ...answer)).toMatchObject({ code: 0 });
      const debian = ['guest-kernel', '--memory', '256', '--rootfs', await fetched('debian-rootfs')];
      expect(await play(debian, ...answer)).toMatchObject({ code: 0 });
    },
    TIMEOUT_MS,
  );
});
