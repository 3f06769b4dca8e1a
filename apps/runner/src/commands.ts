import type { CommandMaker } from './command-kit.ts';
import { completionCommand } from './completion/command.ts';
import { disasmCommand } from './disasm/command.ts';
import { dmesgCommand } from './dmesg/command.ts';
import { fetchCommand } from './fetch/command.ts';
import { infoCommand } from './info/command.ts';
import { listCommand } from './list/command.ts';
import { runCommand } from './run/command.ts';
import { topCommand } from './top/command.ts';
import { traceCommand } from './trace/command.ts';
import { xenstoreCommand } from './xenstore/command.ts';

/** All commands, in the order of the help. */
export const COMMANDS: readonly CommandMaker[] = [
  runCommand,
  infoCommand,
  fetchCommand,
  listCommand,
  topCommand,
  dmesgCommand,
  xenstoreCommand,
  traceCommand,
  disasmCommand,
  completionCommand,
];
