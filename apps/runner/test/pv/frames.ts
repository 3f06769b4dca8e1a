import type { GrantFrames } from '@domu/grant-table/hypervisor';

const PAGE_BYTES = 4096;

/** Memory in which a frame's number is its place and all frames are the guest's; grant tables come from the top. */
export class PlainFrames implements GrantFrames {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** References taken and not given back. */
  nrHeld = 0;
  readonly #nrFrames: number;
  #nextShared: number;

  constructor(nrFrames: number) {
    this.u8 = new Uint8Array(nrFrames * PAGE_BYTES);
    this.u16 = new Uint16Array(this.u8.buffer);
    this.u32 = new Uint32Array(this.u8.buffer);
    this.#nrFrames = nrFrames;
    this.#nextShared = nrFrames;
  }

  getPageFromGfn(domid: number, gfn: number): number {
    return this.getPage(domid, gfn) ? gfn : -1;
  }

  getPage(_domid: number, mfn: number): boolean {
    if (!(mfn >= 0 && mfn < this.#nrFrames)) return false;
    this.nrHeld++;
    return true;
  }

  putPage(): void {
    this.nrHeld--;
  }

  getWritable(): boolean {
    return true;
  }

  putWritable(): void {}

  allocShared(): number {
    return --this.#nextShared;
  }

  freeShared(): void {}

  sharedInUse(): boolean {
    return false;
  }

  steal(): number {
    return -1;
  }

  allocStolen(): number {
    return -1;
  }

  dropStolen(): void {}

  hasRoom(): boolean {
    return false;
  }

  giveStolen(): number {
    return -1;
  }

  ownerOf(): number {
    return 1;
  }
}
