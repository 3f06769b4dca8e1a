import { Argument, type Command } from 'commander';
import { type CommandContext, newCommand } from '../command-kit.ts';

/** What there is to fetch. */
export const FETCHABLE = ['grub', 'busybox', 'debian-rootfs'] as const;
export type Fetchable = (typeof FETCHABLE)[number];

interface ParsedOptions {
  cache?: string;
  packages?: string;
  force?: boolean;
}

/** `domu fetch`. */
export function fetchCommand(context: CommandContext): Command {
  return newCommand(context, 'fetch')
    .summary('fetch something to boot from Debian')
    .description(
      "Fetches something to boot from Debian, by apt-get as the system's own sources say; needs no root, and installs nothing.\nPrints where it is. What is there already is checked and not fetched again; what was interrupted goes on.",
    )
    .usage('WHAT [OPTIONS]')
    .addArgument(
      new Argument(
        '<WHAT>',
        'grub: a PV kernel; busybox: a root file system of one program; debian-rootfs: a small Debian for i386',
      ).choices(FETCHABLE),
    )
    .option('--cache <DIR>', 'where it is kept (default: $XDG_CACHE_HOME/domu or ~/.cache/domu)')
    .option('--packages <LIST>', 'more Debian packages in debian-rootfs, with commas between them')
    .option('--force', 'make it anew')
    .addHelpText(
      'after',
      `
Examples:
  domu run $(domu fetch grub)
  domu run guest-kernel --rootfs $(domu fetch busybox)
  domu run guest-kernel --memory 256 --rootfs $(domu fetch debian-rootfs --packages less,python3-minimal)`,
    )
    .action(async (what: Fetchable, { cache, packages = '', force = false }: ParsedOptions) => {
      const { fetch } = await import('./fetch.ts');
      const options = { what, cache: cache ?? null, packages: packages.split(',').filter(Boolean), force };
      context.done(await fetch(options, context.io));
    });
}
