import { main, reportError } from './cli.ts';
import { EXIT_PIPE } from './exit-codes.ts';
import { processIo } from './io.ts';
import { TERMINAL_RESET } from './terminal/screen.ts';

const io = processIo();
// An error in a callback of the event loop belongs to no caller: the same report, and out. Node restores the terminal.
process.on('uncaughtException', (error) => {
  // Whoever read our output has gone away, as `head` does.
  if ('code' in error && error.code === 'EPIPE') process.exit(EXIT_PIPE);
  if (process.stdout.isTTY) process.stdout.write(`${TERMINAL_RESET}\n`);
  process.exit(reportError(error, io));
});
void main(process.argv.slice(2), io).then((code) => {
  process.exitCode = code;
});
