/** The vDSO as processes have it: one frame that all of them show. */
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { Frames } from '../mm/frames.ts';
import { mapFixed } from '../mm/mapping.ts';
import { frameVa, type Ram } from '../mm/ram.ts';
import { type PageSource, PROT_EXEC, PROT_READ } from '../mm/vma.ts';
import type { Op } from '../task/wait.ts';
import type { Clock } from './clock.ts';
import { VDSO_RECORD, vdsoPage, vdsoRecord } from './vdso-image.ts';

/** Where it lies in every process: above the stack, where nothing else goes. */
export const VDSO_ADDRESS: number = TASK_SIZE - PAGE_SIZE;

export class Vdso implements PageSource {
  readonly label: string = '[vdso]';
  readonly dev: number = 0;
  readonly ino: number = 0;
  readonly #frames: Frames;
  readonly #frame: number;

  constructor(ram: Ram, frames: Frames, clock: Clock) {
    this.#frames = frames;
    this.#frame = frames.alloc();
    if (this.#frame < 0) throw new Error('no memory for the vDSO');
    const va = frameVa(this.#frame);
    ram.write(va, vdsoPage());
    let sequence = 0;
    const tell = (): void => {
      ram.write(va + VDSO_RECORD, vdsoRecord({ ...clock.timeRecord(), sequence: sequence++ >>> 0 }));
    };
    clock.onRealtimeSet = tell;
    tell();
  }

  *frame(): Op<number> {
    this.#frames.get(this.#frame);
    return this.#frame;
  }

  /** It is never mapped shared. */
  dirtied(): void {}
  hold(): void {}
  drop(): void {}

  /** Maps it into a new address space. */
  map(memory: AddressSpace): void {
    const end = VDSO_ADDRESS + PAGE_SIZE;
    mapFixed(memory, { start: VDSO_ADDRESS, end, prot: PROT_READ | PROT_EXEC, source: this });
  }
}
