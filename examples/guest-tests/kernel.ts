import { Blkfront } from '@domu/blkfront';
import type { SemihostedGuest } from '@domu/guest-kernel/semihost';

const SECTOR_BYTES = 512;
const OKAY = 0;

/** The kernel under test: counts its own starts in the first sector of its disk, and says which one this is. */
export function countingKernel(os: SemihostedGuest): void {
  const finish = (text: string): void => {
    os.print(`${text}\n`);
    disk.close(() => os.shutdown());
  };
  const count = (): void => {
    const sector = new Uint8Array(SECTOR_BYTES);
    disk.read(0, sector, (read) => {
      if (read !== OKAY) return finish('the disk cannot be read');
      const view = new DataView(sector.buffer);
      const starts = view.getUint32(0, true) + 1;
      view.setUint32(0, starts, true);
      disk.write(0, sector, (written) =>
        finish(written === OKAY ? `start ${starts}` : 'the disk cannot be written'),
      );
    });
  };
  const disk: Blkfront = new Blkfront({
    ...os,
    path: 'device/vbd/51712',
    onChange: () => disk.disk !== null && count(),
  });
}
