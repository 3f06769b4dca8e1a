import type { Helper, HelperCpu } from '../helpers/helper-cpu.ts';
import { Vector } from '../names.ts';
import { S } from '../state.ts';
import { unitOf } from './helpers.ts';
import { EXPONENT_MAX, type Extended, INTEGER_BIT } from './number.ts';
import type { X87Unit } from './unit.ts';

/** Memory images of the unit, built and taken apart in S.image. Source: SDM vol. 1, 8.1.10 and 10.5.1 */
export const Image = {
  /** FNSTENV and FNSAVE: build, then what follows the store. */
  environment: 0,
  environmentStored: 1,
  save: 2,
  saved: 3,
  loadEnvironment: 4,
  restore: 5,
  fxsave: 6,
  fxrstor: 7,
  /** The operand of FXSAVE and FXRSTOR is aligned to 16 bytes, or #GP(0). */
  aligned: 8,
} as const;

const ENVIRONMENT_BYTES = 28;
const ENVIRONMENT_BYTES_16 = 14;
const REGISTER_BYTES = 10;
const CR4_OSFXSR = 0x200;
const MXCSR_MASK = 0xffff;
const FX_MXCSR = 24;
const FX_REGISTERS = 32;
const FX_XMM = 160;
const XMM_WORDS = 32;

function tagOf(v: Extended): number {
  const { exponent, mantissa } = v;
  if (exponent === 0 && mantissa === 0n) return 1;
  return mantissa >= INTEGER_BIT && exponent !== 0 && exponent !== EXPONENT_MAX ? 0 : 2;
}

function fullTags(unit: X87Unit): number {
  let tags = 0;
  for (let n = 0; n < 8; n++) {
    const tag = unit.tags & (1 << n) ? tagOf(unit.physical(n)) : 3;
    tags |= tag << (2 * n);
  }
  return tags;
}

function abridged(tags: number): number {
  let result = 0;
  for (let n = 0; n < 8; n++) if (((tags >> (2 * n)) & 3) !== 3) result |= 1 << n;
  return result;
}

/** The image as bytes of the state block. */
class ImageView {
  readonly #view: DataView;
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
    this.#view = new DataView(words.buffer, words.byteOffset + S.image);
  }
  state(offset: number): number {
    return this.#words[offset >> 2] ?? 0;
  }
  setState(offset: number, value: number): void {
    this.#words[offset >> 2] = value;
  }
  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  put16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
  put32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
  register(at: number): Extended {
    const se = this.u16(at + 8);
    const mantissa = this.#view.getBigUint64(at, true);
    return { sign: se & 0x8000 ? 1 : 0, exponent: se & 0x7fff, mantissa };
  }
  putRegister(at: number, v: Extended): void {
    this.#view.setBigUint64(at, v.mantissa, true);
    this.put16(at + 8, (v.sign << 15) | v.exponent);
  }
  clear(bytes: number): void {
    for (let at = 0; at < bytes; at += 4) this.put32(at, 0);
  }
}

function buildEnvironment(unit: X87Unit, image: ImageView, wide: boolean): void {
  const words = [unit.control, unit.status, fullTags(unit)];
  if (!wide) {
    const tail = [S.fip, S.fcs, S.fdp, S.fds].map((field) => image.state(field));
    [...words, ...tail].forEach((w, i) => {
      image.put16(2 * i, w);
    });
    return;
  }
  words.forEach((w, i) => {
    image.put32(4 * i, w | 0xffff0000);
  });
  image.put32(12, image.state(S.fip));
  image.put32(16, (image.state(S.fcs) & 0xffff) | (image.state(S.fop) << 16));
  image.put32(20, image.state(S.fdp));
  image.put32(24, image.state(S.fds) | 0xffff0000);
}

function takeEnvironment(unit: X87Unit, image: ImageView, wide: boolean): void {
  const at = (i: number): number => image.u16(wide ? 4 * i : 2 * i);
  unit.tags = abridged(at(2));
  image.setState(S.fip, wide ? image.u32(12) : at(3));
  image.setState(S.fcs, at(4));
  image.setState(S.fop, wide ? image.u16(18) & 0x7ff : 0);
  image.setState(S.fdp, wide ? image.u32(20) : at(5));
  image.setState(S.fds, at(6));
  unit.control = at(0);
  unit.status = at(1);
}

function buildFx(unit: X87Unit, image: ImageView, sse: boolean): void {
  image.clear(FX_IMAGE_BYTES);
  image.put16(0, unit.control);
  image.put16(2, unit.status);
  image.put16(4, unit.tags);
  image.put16(6, image.state(S.fop));
  image.put32(8, image.state(S.fip));
  image.put16(12, image.state(S.fcs));
  image.put32(16, image.state(S.fdp));
  image.put16(20, image.state(S.fds));
  image.put32(FX_MXCSR, image.state(S.mxcsr));
  image.put32(28, MXCSR_MASK);
  for (let i = 0; i < 8; i++) image.putRegister(FX_REGISTERS + 16 * i, unit.raw(i));
  if (sse) for (let i = 0; i < XMM_WORDS; i++) image.put32(FX_XMM + 4 * i, image.state(S.xmm + 4 * i));
}

function takeFx(unit: X87Unit, image: ImageView, sse: boolean): void {
  unit.control = image.u16(0);
  unit.status = image.u16(2);
  unit.tags = image.u16(4);
  image.setState(S.fop, image.u16(6) & 0x7ff);
  image.setState(S.fip, image.u32(8));
  image.setState(S.fcs, image.u16(12));
  image.setState(S.fdp, image.u32(16));
  image.setState(S.fds, image.u16(20));
  for (let i = 0; i < 8; i++) unit.setPhysical((unit.top + i) & 7, image.register(FX_REGISTERS + 16 * i));
  if (!sse) return;
  image.setState(S.mxcsr, image.u32(FX_MXCSR));
  for (let i = 0; i < XMM_WORDS; i++) image.setState(S.xmm + 4 * i, image.u32(FX_XMM + 4 * i));
}

/** Builds or takes apart an image. @param a one of Image */
export const x87Image: Helper = (cpu, a) => {
  const unit = unitOf(cpu);
  const image = new ImageView(cpu.state);
  const wide = cpu.operandSize === 32;
  const first = wide ? ENVIRONMENT_BYTES : ENVIRONMENT_BYTES_16;
  const sse = (cpu.cr4 & CR4_OSFXSR) !== 0;
  switch (a) {
    case Image.environment:
      buildEnvironment(unit, image, wide);
      return 0;
    case Image.environmentStored:
      unit.control |= 0x3f;
      return 0;
    case Image.save:
      buildEnvironment(unit, image, wide);
      for (let i = 0; i < 8; i++) image.putRegister(first + REGISTER_BYTES * i, unit.raw(i));
      return 0;
    case Image.saved:
      unit.reset();
      return 0;
    case Image.loadEnvironment:
      takeEnvironment(unit, image, wide);
      return 0;
    case Image.restore:
      takeEnvironment(unit, image, wide);
      for (let i = 0; i < 8; i++) {
        unit.setPhysical((unit.top + i) & 7, image.register(first + REGISTER_BYTES * i));
      }
      return 0;
    case Image.fxsave:
      buildFx(unit, image, sse);
      return 0;
    case Image.aligned: {
      const linear = cpu.seg.base(cpu.state[S.dataSeg >> 2] ?? 0) + (cpu.state[S.ea >> 2] ?? 0);
      return linear & 15 ? cpu.fault(Vector.GP, 0) : 0;
    }
    default:
      if (sse && image.u32(FX_MXCSR) & ~MXCSR_MASK) return cpu.fault(Vector.GP, 0);
      takeFx(unit, image, sse);
      return 0;
  }
};

/** Bytes that FXSAVE stores. */
export const FX_IMAGE_BYTES = 512;

/** The FPU's and SSE's state as FXSAVE stores it. */
export function readFpuImage(cpu: HelperCpu): Uint8Array {
  buildFx(unitOf(cpu), new ImageView(cpu.state), true);
  const { buffer, byteOffset } = cpu.state;
  return new Uint8Array(buffer, byteOffset + S.image, FX_IMAGE_BYTES).slice();
}

/** Takes the state over as FXRSTOR does; reserved bits of MXCSR are dropped. @param bytes FX_IMAGE_BYTES */
export function writeFpuImage(cpu: HelperCpu, bytes: Uint8Array): void {
  const { buffer, byteOffset } = cpu.state;
  new Uint8Array(buffer, byteOffset + S.image, FX_IMAGE_BYTES).set(bytes);
  const image = new ImageView(cpu.state);
  image.put32(FX_MXCSR, image.u32(FX_MXCSR) & MXCSR_MASK);
  takeFx(unitOf(cpu), image, true);
}

/** FNINIT (0), FNCLEX (1), FLDCW (2, value). */
export const x87Control: Helper = (cpu, a, value) => {
  const unit = unitOf(cpu);
  if (a === 0) unit.reset();
  else if (a === 1) unit.status = unit.status & 0x7f00;
  else unit.control = value;
  return 0;
};
