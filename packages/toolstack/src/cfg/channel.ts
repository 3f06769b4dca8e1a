import { fail, ok, quote, type Result } from '../result.ts';

/** One entry of `channel = [ … ]`: a console beside the first one, for programs to talk through. */
export interface ChannelSpec {
  /** What the guest finds it by; null: its number. */
  readonly name: string | null;
  /** What is at the host's end: a Unix socket that takes one client at a time, or a file that is written to. */
  readonly connection: 'socket' | 'file';
  readonly path: string;
}

/**
 * Parses one channel: comma-separated key=value. Beside xl's `connection=socket` there is `connection=file`, which keeps what
 * the guest says; `connection=pty` is not served, since this process cannot make pseudo-terminals.
 * @returns the channel, or what is wrong
 * Source: xl.cfg(5), "channel"; tools/xl/xl_parse.c, parse_channel_config
 */
export function parseChannel(spec: string): Result<ChannelSpec> {
  const values = new Map<string, string>();
  for (const part of spec.split(',')) {
    const item = part.trim();
    if (item === '') continue;
    const equals = item.indexOf('=');
    const [key, value] = [item.slice(0, Math.max(equals, 0)), item.slice(equals + 1)];
    if (!['backend', 'name', 'connection', 'path'].includes(key))
      return fail(`unknown parameter ${quote(item)}; expected name, connection or path`);
    values.set(key, value);
  }
  const backend = values.get('backend') ?? '0';
  if (backend !== '0' && backend !== 'Domain-0')
    return fail(`backend ${quote(backend)} is not supported; expected domain 0`);
  const connection = values.get('connection') ?? '';
  if (connection !== 'socket' && connection !== 'file')
    return fail(`connection ${quote(connection)} is not supported; expected socket or file`);
  const path = values.get('path') ?? '';
  if (path === '') return fail(`no path; expected one for connection=${connection}`);
  return ok({ name: values.get('name') || null, connection, path });
}
