import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { COMMANDS } from './commands.ts';
import { EXIT_BUG, EXIT_OK, EXIT_USAGE } from './exit-codes.ts';
import type { HostIo } from './io.ts';
import { coloursFor } from './terminal/colours.ts';
import { usageError } from './usage-error.ts';
import { UserError } from './user-error.ts';

/**
 * The `domu` command.
 * @param args arguments behind the command's name
 * @returns the exit code; never throws
 */
export async function main(args: readonly string[], io: HostIo): Promise<number> {
  let exitCode = EXIT_OK;
  const program = newProgram(io, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportError(error, io);
  }
}

/**
 * The program with all its commands.
 * @param done takes the exit code of the command that was run
 */
export function newProgram(io: HostIo, done: (exitCode: number) => void): Command {
  const program = emptyProgram(io);
  for (const make of COMMANDS) program.addCommand(make({ program, io, done }));
  return program;
}

function emptyProgram(io: HostIo): Command {
  const colours = coloursFor(io.stdout);
  return new Command('domu')
    .description(
      "Boots 32-bit Xen PV guests on Xen's platform in TypeScript: no Xen, no virtualisation, no root.",
    )
    .usage('COMMAND [OPTIONS]')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .configureHelp({
      styleTitle: colours.bold,
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`,
    })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(usageError(text, 'domu --help')),
    })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  domu run guest.cfg                        boot what an xl.cfg file describes
  domu run vmlinux --memory 256             boot a kernel
  domu info vmlinux                         what is this file, and does it boot here?
  domu run $(domu fetch grub)               something to boot, from Debian
  domu top                                  what the guests of a running machine do

domu help run tells all about booting a guest.`,
    );
}

/** One line for the user's mistakes; for ours, one line and the stack. @returns the exit code */
export function reportError(error: unknown, io: HostIo): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  if (error instanceof UserError) {
    io.stderr.write(`domu: ${error.message}\n`);
    return EXIT_USAGE;
  }
  io.stderr.write(
    `domu: internal error, please report it: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  if (error instanceof Error && error.stack) io.stderr.write(`${error.stack}\n`);
  return EXIT_BUG;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return hasVersion ? String(manifest.version) : 'unknown';
}
