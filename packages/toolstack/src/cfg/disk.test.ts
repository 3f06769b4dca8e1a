import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDisk } from './disk.ts';
import { vdevNumber } from './vdev.ts';

function reason(result: { ok: boolean; error?: unknown }): unknown {
  return result.ok ? 'no error' : result.error;
}

describe('parseDisk', () => {
  const volume = { target: '/dev/vg/guest-volume', vdev: 'hda', devid: 768, readonly: false, cdrom: false };
  test.each([
    '/dev/vg/guest-volume,,hda',
    '/dev/vg/guest-volume,raw,hda,rw',
    'format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume',
    'raw:/dev/vg/guest-volume,hda,w',
    'file:/dev/vg/guest-volume,hda,w',
    'phy:/dev/vg/guest-volume,hda,w',
    'tap:aio:/dev/vg/guest-volume,hda,w',
    'vdev=hda,/dev/vg/guest-volume',
  ])('%j is the volume of the manual', (spec) => {
    expect(parseDisk(spec)).toMatchObject({ ok: true, value: volume });
  });

  test.each([
    '/root/image.iso,,hdc,cdrom',
    '/root/image.iso,,hdc,,cdrom',
    '/root/image.iso,raw,hdc,devtype=cdrom',
    'format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso',
    'raw:/root/image.iso,hdc:cdrom,ro',
  ])('%j is the CD-ROM of the manual', (spec) => {
    expect(parseDisk(spec)).toMatchObject({
      ok: true,
      value: { target: '/root/image.iso', vdev: 'hdc', devid: 5632, readonly: true, cdrom: true },
    });
  });

  test('target= takes the rest, commas, "=" and trailing spaces included', () => {
    expect(parseDisk('raw,xvda,w')).toMatchObject({ ok: false });
    expect(parseDisk('vdev=xvda,target=/a,b=c:d ')).toMatchObject({
      ok: true,
      value: { target: '/a,b=c:d ' },
    });
  });

  test('an empty CD-ROM drive', () => {
    expect(parseDisk(',hdc:cdrom,r')).toMatchObject({
      ok: true,
      value: { target: '', cdrom: true, readonly: true },
    });
    expect(parseDisk('vdev=hdc,cdrom')).toMatchObject({ ok: true, value: { target: '', cdrom: true } });
  });

  test('no-discard is kept, flags that change nothing here are taken', () => {
    expect(parseDisk('/a,,xvda,,no-discard,direct-io-safe,untrusted')).toMatchObject({
      ok: true,
      value: { discard: false },
    });
  });

  test.each([
    '/a.qcow2,qcow2,xvda,w',
    'format=qcow2,vdev=xvda,target=/a.qcow2',
    'qcow2:/a.qcow2,xvda,w',
    'tap:qcow2:/a.qcow2,xvda,w',
  ])('%j is an image', (spec) => {
    expect(parseDisk(spec)).toMatchObject({
      ok: true,
      value: { target: '/a.qcow2', format: 'qcow2', readonly: false, snapshot: false },
    });
  });

  test('what is written stays in memory with the flag snapshot', () => {
    expect(parseDisk('/a,,xvda,,snapshot')).toMatchObject({
      ok: true,
      value: { format: 'raw', snapshot: true },
    });
  });

  test.each([
    ['/a,vhd,xvda', /format vhd is not supported; expected raw or qcow2/],
    ['/a,raw', /no vdev/],
    [',raw,xvda', /no target/],
    ['/a,raw,floppy', /"floppy" is not a virtual device/],
    ['/a,raw,xvda,x', /access "x" is unknown; expected r, ro, w or rw/],
    ['/a,raw,xvda,w,more', /"more" is one parameter too many/],
    ['/a,zip,xvda', /format "zip" is unknown/],
    ['/a=b,raw,xvda', /expected such a path last, as target=PATH/],
    ['/a,raw,xvda,vdev=xvdb', /vdev is given twice/],
    ['/a,raw,xvda,devtype=tape', /devtype "tape" is unknown/],
    ['nfs:/a,xvda,w', /unknown prefix "nfs:"/],
    ['/a,raw,xvda,speed=9', /unknown parameter "speed"/],
    ['/a,raw,xvda,backend=driver', /backend= is not supported/],
    ['iscsi:target,xvda,w', /unknown prefix/],
  ])('%j is refused', (spec, message) => {
    expect(reason(parseDisk(spec))).toMatch(message);
  });

  test('hostile specifications never throw', () => {
    const piece = fc.constantFrom(
      ',',
      '=',
      ':',
      'raw',
      'xvda',
      'target',
      'vdev',
      'cdrom',
      ' ',
      '/a',
      'file:',
      'é',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => typeof parseDisk(pieces.join('')).ok === 'boolean'),
      { seed: 4 },
    );
  });
});

describe('vdevNumber', () => {
  test.each([
    ['xvda', 51712],
    ['xvda1', 51713],
    ['xvdp15', 51967],
    ['xvdq', (1 << 28) | (16 << 8)],
    ['xvda16', (1 << 28) | 16],
    ['xvdaa', (1 << 28) | (26 << 8)],
    ['d5p2', 51712 + 5 * 16 + 2],
    ['hda', 768],
    ['hdb', 768 + 64],
    ['hdc1', 5633],
    ['hdd', 5696],
    ['sda', 2048],
    ['sdp15', 2303],
    ['51712', 51712],
    ['0xca00', 51712],
  ])('%s is %i', (name, number) => {
    expect(vdevNumber(name)).toEqual({ ok: true, value: number });
  });

  test.each([
    '',
    'xvd',
    'xvda0',
    'xvda01',
    'xvda256',
    'hde',
    'hda64',
    'sdq',
    'sda16',
    'XVDA',
    'xvda-1',
    '4294967296',
    'd1p',
  ])('%j is none', (name) => {
    expect(vdevNumber(name).ok).toBe(false);
  });
});
