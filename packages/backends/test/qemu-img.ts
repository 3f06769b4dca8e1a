import { spawnSync } from 'node:child_process';

/** Whether QEMU's own tool for images is on this host. */
export function hasQemuImg(): boolean {
  return spawnSync('qemu-img', ['--version']).status === 0;
}

/** Runs qemu-img. Throws with what it said unless it succeeds. @returns what it printed */
export function qemuImg(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-img ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

const CHECK_OK = 0;
const CHECK_LEAKS = 3;

/** Lets qemu-img check an image. Throws when anything is wrong but clusters that nobody uses. */
export function qemuCheckFindsNothingButLeaks(image: string): void {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-f', 'qcow2', image], {
    encoding: 'utf8',
  });
  if (status !== CHECK_OK && status !== CHECK_LEAKS)
    throw new Error(`qemu-img check ${image}: ${status}\n${stdout}${stderr}`);
}

/** Runs qemu-io commands on an image. Throws unless they succeed. */
export function qemuIo(image: string, ...commands: readonly string[]): void {
  const args = ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), image];
  const { status, stdout, stderr } = spawnSync('qemu-io', args, { encoding: 'utf8' });
  if (status !== 0 || /failed/i.test(stdout))
    throw new Error(`qemu-io ${image}: ${status}\n${stdout}${stderr}`);
}
