import { UserError } from '../user-error.ts';

const MAX_ADDRESS = 0xffff_ffff;

/** Parses an address: 0x… or hexadecimal digits alone are hexadecimal. Errors: UserError */
export function addressOption(name: string, text: string): number {
  const value = /^(?:0[xX])?[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
  if (value <= MAX_ADDRESS) return value;
  throw new UserError(
    `${name}: ${JSON.stringify(text)} is no address; expected hexadecimal digits such as 0xc0100000`,
  );
}
