import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from './harness.ts';

const COMMAND = fileURLToPath(new URL('../../../scripts/domu.mjs', import.meta.url));
/** Of the times in /proc, on every Linux. */
const TICKS_PER_SECOND = 100;

/** What a driver of a running command may do; see FakeTerminal. */
export interface Driven {
  /** Called with all output so far whenever some comes. */
  onOutput: (output: string) => void;
  type(text: string): void;
  interrupt(): void;
}

/**
 * Runs the built `domu ARGS` in a process of its own, for guests that have much to do: tests' sources, as they are
 * transformed for vitest, take several times the time.
 * @param drive gets the process's input side
 * @returns what came of it, and how much processor time it took until it was interrupted or ended
 */
export async function builtDomu(
  args: readonly string[],
  drive: (terminal: Driven) => void,
): Promise<CommandResult & { readonly cpuSeconds: number }> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: 'pipe' });
  let [stdout, stderr, cpuSeconds] = ['', '', 0];
  const measure = () => {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')')).split(' ');
    cpuSeconds = (Number(fields[12]) + Number(fields[13])) / TICKS_PER_SECOND;
  };
  const terminal: Driven = {
    onOutput: () => {},
    type: (text) => child.stdin.write(text),
    interrupt: () => {
      measure();
      child.kill('SIGINT');
    },
  };
  drive(terminal);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    terminal.onOutput(stdout);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, signal] = await once(child, 'close');
  return { code: code ?? -1, stdout, stderr: signal === null ? stderr : `${stderr}${signal}`, cpuSeconds };
}
