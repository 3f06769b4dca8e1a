import type { Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';
import { countOption } from '../options/count.ts';

interface Common {
  name?: string;
}

/** `domu xenstore`. */
export function xenstoreCommand(context: CommandContext): Command {
  const parent = newCommand(context, 'xenstore')
    .summary('look into and change XenStore of a running machine')
    .description("Looks into and changes XenStore of a running machine, with domain 0's rights.")
    .usage('ls|read|write|rm|watch [OPTIONS]')
    .addHelpText(
      'after',
      `
Examples:
  domu xenstore ls /local/domain/1
  domu xenstore read /local/domain/1/name
  domu xenstore write /local/domain/1/control/shutdown poweroff
  domu xenstore watch /local/domain/1/device`,
    );
  const add = (name: string, summary: string): Command => {
    const command = newCommand({ ...context, program: parent }, name)
      .summary(summary)
      .description(`${summary[0].toUpperCase()}${summary.slice(1)}.`)
      .option('--name <NAME>', 'the machine: a guest of it, or its process; needed when there are several');
    parent.addCommand(command);
    return command;
  };
  const load = () => import('./xenstore.ts');
  const { io, done } = context;
  add('ls', 'list a node and what is below it')
    .argument('[PATH]', 'the node', '/')
    .option('--json', 'print JSON')
    .action(async (path: string, { name, json = false }: Common & { json?: boolean }) =>
      done(await (await load()).ls({ machine: name ?? null, path, json }, io)),
    );
  add('read', 'print what nodes hold')
    .argument('<PATH...>', 'the nodes')
    .action(async (paths: string[], { name }: Common) =>
      done(await (await load()).read({ machine: name ?? null, paths }, io)),
    );
  add('write', 'write a node')
    .argument('<PATH>', 'the node')
    .argument('<VALUE>', 'what it shall hold')
    .action(async (path: string, value: string, { name }: Common) =>
      done(await (await load()).write({ machine: name ?? null, path, value }, io)),
    );
  add('rm', 'remove a node and what is below it')
    .argument('<PATH>', 'the node')
    .action(async (path: string, { name }: Common) =>
      done(await (await load()).remove({ machine: name ?? null, path }, io)),
    );
  add('watch', 'tell of each change of a node or below it, until Ctrl-C or the end of the machine')
    .argument('<PATH>', 'the node, or @introduceDomain or @releaseDomain')
    .option('-n, --count <N>', 'end after so many changes', countOption)
    .action(async (path: string, { name, count = null }: Common & { count?: number | null }) =>
      done(await (await load()).watch({ machine: name ?? null, path, count }, io)),
    );
  return parent;
}
