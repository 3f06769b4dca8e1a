import { fail, ok, quote, type Result } from '../result.ts';

const XVD_MAJOR = 202;
const SD_MAJOR = 8;
const HD_MAJORS = [3, 22] as const;
const EXTENDED = 1 << 28;
const MAX_EXTENDED_DISK = (1 << 20) - 1;

/**
 * Turns a virtual device name into the number that names it in XenStore: device/vbd/N.
 * @param name xvda, xvda1, hdc, sdb2, d5p2, or the number itself in decimal or 0x… form
 * @returns the device number (below 2^31)
 * Source: xen-vbd-interface(7); tools/libs/light/libxl_device.c, libxl__device_disk_dev_number
 */
export function vdevNumber(name: string): Result<number> {
  const direct = /^d([0-9]+)p([0-9]+)$/.exec(name);
  const xvd = direct ? [Number(direct[1]), Number(direct[2])] : matchDisk(name, 'xvd');
  if (xvd && xvd[0] <= MAX_EXTENDED_DISK && xvd[1] <= 255) {
    const [disk, partition] = xvd;
    if (disk <= 15 && partition <= 15) return ok((XVD_MAJOR << 8) | (disk << 4) | partition);
    return ok(EXTENDED | (disk << 8) | partition);
  }
  if (/^(?:0x[0-9a-fA-F]+|[0-9]+)$/.test(name) && Number(name) < 2 ** 31) return ok(Number(name));
  const hd = matchDisk(name, 'hd');
  if (hd && hd[0] <= 3 && hd[1] <= 63) {
    return ok((HD_MAJORS[hd[0] >> 1] << 8) | ((hd[0] & 1) << 6) | hd[1]);
  }
  const sd = matchDisk(name, 'sd');
  if (sd && sd[0] <= 15 && sd[1] <= 15) return ok((SD_MAJOR << 8) | (sd[0] << 4) | sd[1]);
  return fail(`${quote(name)} is not a virtual device; expected xvda, xvda1, hda, sda or the like`);
}

/** Drive letters count like spreadsheet columns: a=0 … z=25, aa=26. */
function matchDisk(name: string, prefix: string): [disk: number, partition: number] | null {
  if (!name.startsWith(prefix)) return null;
  const match = /^([a-z]{1,5})([1-9][0-9]{0,3})?$/.exec(name.slice(prefix.length));
  if (!match) return null;
  let disk = -1;
  for (const letter of match[1]) disk = (disk + 1) * 26 + letter.charCodeAt(0) - 97;
  return [disk, match[2] === undefined ? 0 : Number(match[2])];
}
