import type { StoreNode } from '../control/machine-methods.ts';
import { withMachine } from '../control/with-machine.ts';
import { EXIT_OK } from '../exit-codes.ts';
import type { HostIo } from '../io.ts';

interface Target {
  /** As for `findMachine`. */
  readonly machine: string | null;
}

/** `domu xenstore ls`. @returns the exit code. Errors: UserError */
export function ls(
  { machine, path, json }: Target & { readonly path: string; readonly json: boolean },
  io: HostIo,
): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    const node = (await client.request('xenstore.ls', { path })) as StoreNode;
    if (json) io.stdout.write(`${JSON.stringify(node, null, 2)}\n`);
    else for (const child of node.children) io.stdout.write(treeText(child, ''));
    return EXIT_OK;
  });
}

/** `domu xenstore read`: one line for each path. */
export function read(
  { machine, paths }: Target & { readonly paths: readonly string[] },
  io: HostIo,
): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    for (const path of paths) io.stdout.write(`${await client.request('xenstore.read', { path })}\n`);
    return EXIT_OK;
  });
}

/** `domu xenstore write`. */
export function write(
  { machine, path, value }: Target & { readonly path: string; readonly value: string },
  io: HostIo,
): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    await client.request('xenstore.write', { path, value });
    return EXIT_OK;
  });
}

/** `domu xenstore rm`. */
export function remove({ machine, path }: Target & { readonly path: string }, io: HostIo): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    await client.request('xenstore.rm', { path });
    return EXIT_OK;
  });
}

/** `domu xenstore watch`: a line for each change, beginning with the present value, which does not count. */
export function watch(
  { machine, path, count }: Target & { readonly path: string; readonly count: number | null },
  io: HostIo,
): Promise<number> {
  return withMachine(machine, io, async ({ client }) => {
    let left = count === null ? Number.POSITIVE_INFINITY : count + 1;
    await client.request('xenstore.watch', { path }, (event) => {
      if (left <= 0) return;
      const change = event as { path: string; value: string | null };
      io.stdout.write(`${change.path}${change.value === null ? '' : ` = ${quotedValue(change.value)}`}\n`);
      if (--left === 0) client.close();
    });
    await client.closed;
    return EXIT_OK;
  });
}

/** As xenstore-ls prints it. */
function treeText({ name, value, children }: StoreNode, indent: string): string {
  const below = children.map((child) => treeText(child, `${indent} `)).join('');
  return `${indent}${name} = ${quotedValue(value)}\n${below}`;
}

/** Values come escaped: nothing in them steers the terminal. */
function quotedValue(value: string): string {
  return `"${value}"`;
}
