import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DomainConfig, parseXlCfg } from './domain-config.ts';
import { type CfgValue, parseCfg } from './parser.ts';
import { formatConfigError } from './source.ts';

function settings(text: string): Record<string, unknown> {
  const cfg = parseCfg(text, 'a.cfg');
  if (!cfg.ok) throw new Error(formatConfigError(cfg.error));
  const plain = (value: CfgValue): unknown => (value.kind === 'string' ? value.text : value.items.map(plain));
  return Object.fromEntries([...cfg.value].map(([key, value]) => [key, plain(value)]));
}

function config(text: string): DomainConfig {
  const result = parseXlCfg(text, 'dir/guest.cfg');
  if (!result.ok) throw new Error(formatConfigError(result.error));
  return result.value;
}

function problem(text: string): string {
  const result = parseXlCfg(text, 'guest.cfg');
  if (result.ok) throw new Error('expected an error');
  return formatConfigError(result.error);
}

describe('xl.cfg syntax', () => {
  test('strings in both quotes, numbers, lists, comments, ";" and newlines', () => {
    expect(
      settings(`# a comment
        a = 'single "x"'; b = "double 'x'"  # trailing
        c=12;d = 0x1f
        e = [ 'one',
              "two",   # inside
              [ 3, 'four' ],
            ]
        f = []`),
    ).toEqual({
      a: 'single "x"',
      b: "double 'x'",
      c: '12',
      d: '0x1f',
      e: ['one', 'two', ['3', 'four']],
      f: [],
    });
  });

  test('escapes', () => {
    expect(settings(String.raw`a = "\\ \' \" \n\t\a \x41\101"`)).toEqual({ a: '\\ \' " \n\t\x07 AA' });
  });

  test('the last assignment wins; += appends text and lists', () => {
    expect(settings('a=1\na=2\nb="x"\nb+="y"\nc=["1"]\nc+=["2"]\nd+="new"')).toEqual({
      a: '2',
      b: 'xy',
      c: ['1', '2'],
      d: 'new',
    });
  });

  test('a file may end without a newline, use CR LF and be empty', () => {
    expect(settings('a=1\r\nb=2')).toEqual({ a: '1', b: '2' });
    expect(settings('')).toEqual({});
    expect(settings('# only a comment')).toEqual({});
  });

  test.each([
    ['name = "x"\nmemory 128', '2:8: unexpected "128"; expected "=" or "+=" after "memory"'],
    ['a = ', '1:5: unexpected the end of the file; expected a quoted string, a number or "["'],
    ['a = b', '1:5: unexpected "b"; expected a quoted string, a number or "["'],
    ['a = 1 b = 2', '1:7: unexpected "b"; expected a new line or ";"'],
    ['a = [ 1 2 ]', '1:9: unexpected "2"; expected "," or "]" in a list'],
    ['a = [ 1,', '1:9: unexpected the end of the file; expected a quoted string, a number or "["'],
    ['a = "open\n', '1:5: a string that does not end on its line; expected a closing "'],
    ['a = "x\\q"', '1:7: unknown escape "\\\\q" in a string; expected \\n, \\t, \\\\, \\xHH or the like'],
    ['Name = "x"', '1:1: unexpected "N"; expected a lower-case key, a quoted string or a number'],
    ['a=["1"]\na+="2"', '2:4: cannot add a list to a string or a string to a list (a)'],
    ['= 3', '1:1: unexpected "="; expected a key'],
  ])('%j is refused with line and column', (text, message) => {
    expect(problem(text)).toBe(`guest.cfg:${message}`);
  });

  test('Python is recognised', () => {
    expect(problem('import os\nx = os.getcwd()')).toMatch(/^guest.cfg:2:14: .* not Python/);
  });

  test('hostile input neither throws nor overflows the stack', () => {
    expect(problem(`a = ${'['.repeat(100000)}`)).toMatch(/nested more than 64 deep/);
    const piece = fc.constantFrom(
      'a',
      '=',
      '+=',
      '[',
      ']',
      ',',
      ';',
      '\n',
      '"x"',
      "'",
      '"',
      '\\',
      '1',
      '#',
      ' ',
      'é',
      '(',
      'disk',
      'memory',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const result = parseXlCfg(pieces.join(''), 'f');
        return result.ok || !formatConfigError(result.error).includes('\n');
      }),
      { numRuns: 2000, seed: 3 },
    );
  });
});

describe('domain configuration', () => {
  test("XTF's files", () => {
    const xtf = config(`name="test-pv32pae-example"

vcpus=1 

type="pv"
loader="generic" # Legacy for before Xen 4.10

memory=128
kernel="/x/tests/example/test-pv32pae-example"
`);
    expect(xtf).toMatchObject({
      name: 'test-pv32pae-example',
      memoryMiB: { value: 128, where: 'dir/guest.cfg:8:8: memory' },
      vcpus: { value: 1 },
      kernel: { value: '/x/tests/example/test-pv32pae-example' },
      onReboot: 'restart',
      warnings: [],
    });
  });

  test('an ordinary domU file', () => {
    const domU = config(`
name    = "web"
uuid    = "D6B4C0AE-0000-4000-8000-0123456789AB"
kernel  = "/boot/vmlinux"
ramdisk = "/boot/initrd"
root    = "/dev/xvda1 ro"
extra   = "console=hvc0 quiet"
memory  = 256
maxmem  = 512
vcpus   = 2
maxvcpus = 4
disk    = [ 'file:/srv/web.img,xvda,w', '/srv/data.img,raw,xvdb,r' ]
vif     = [ 'mac=00:16:3e:00:00:01,bridge=xenbr0' ]
on_poweroff = 'destroy'
on_reboot   = 'destroy'
on_crash    = 'preserve'
max_event_channels = 4096
vfb = [ 'sdl=1' ]
`);
    expect(domU).toMatchObject({
      uuid: 'd6b4c0ae-0000-4000-8000-0123456789ab',
      cmdline: { value: 'root=/dev/xvda1 ro console=hvc0 quiet' },
      memoryMiB: { value: 256 },
      maxMemoryMiB: { value: 512 },
      vcpus: { value: 2 },
      onPoweroff: 'destroy',
      onReboot: 'destroy',
      onCrash: 'preserve',
      maxEventChannels: 4096,
    });
    expect(domU.disks.map((disk) => disk.value)).toMatchObject([
      { target: '/srv/web.img', vdev: 'xvda', devid: 51712, readonly: false },
      { target: '/srv/data.img', vdev: 'xvdb', devid: 51728, readonly: true },
    ]);
    expect(domU.vifs[0].value.mac).toEqual([0, 0x16, 0x3e, 0, 0, 1]);
    expect(domU.warnings).toEqual(['dir/guest.cfg:18:7: vfb: not supported here; ignored']);
  });

  test('features names what the kernel shall use', () => {
    expect(config('features = "auto_translated_physmap|writable_page_tables"').features).toEqual({
      value: 5,
      where: 'dir/guest.cfg:1:12: features',
    });
    expect(config('').features.value).toBe(0);
    expect(parseXlCfg('features="levitation"', 'g.cfg')).toMatchObject({
      ok: false,
      error: { key: 'features' },
    });
  });

  test('cmdline beats root and extra, with a warning; the name defaults to the file', () => {
    const both = config('cmdline="a b"\nextra="c"');
    expect(both.cmdline.value).toBe('a b');
    expect(both.warnings).toEqual(['dir/guest.cfg:2:7: extra: ignored in favour of cmdline']);
    expect(both.name).toBe('guest');
  });

  test.each([
    ['memory = 0', '1:10: memory: "0" is out of range; expected 1 to 3072 MiB'],
    ['memory = "lots"', '1:10: memory: "lots" is not a number; expected 1 to 3072 MiB'],
    ['memory = 64\nmaxmem = 32', '2:10: maxmem: 32 is below memory; expected at least 64'],
    ['vcpus = 33', '1:9: vcpus: "33" is out of range; expected 1 to 32'],
    ['type = "hvm"', '1:8: type: "hvm" is not supported; expected "pv"'],
    ['builder = "hvm"', '1:11: builder: "hvm" is not supported; expected "generic"'],
    ['kernel = [ "x" ]', '1:10: kernel: a list; expected a single value'],
    ['disk = "x"', '1:8: disk: a string; expected a list of strings in [ ]'],
    ['on_crash = "explode"', /^guest.cfg:1:12: on_crash: "explode" is unknown; expected destroy, restart, /],
    [
      'disk = [ "a,,xvda",\n "b,,xvda" ]',
      '2:2: disk: xvda is used by another disk; expected a vdev of its own',
    ],
    [
      'disk = [ "a,vhd,xvda" ]',
      '1:10: disk: "a,vhd,xvda": format vhd is not supported; expected raw or qcow2',
    ],
    ['uuid = "x"', '1:8: uuid: "x" is not a UUID; expected 8-4-4-4-12 hexadecimal digits'],
    ['bootloader = "pygrub"', '1:14: bootloader: is not supported; expected kernel'],
  ])('%j names file, place, key and expectation', (text, message) => {
    if (typeof message === 'string') expect(problem(text)).toBe(`guest.cfg:${message}`);
    else expect(problem(text)).toMatch(message);
  });
});
