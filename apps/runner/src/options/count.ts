import { UserError } from '../user-error.ts';

/** Parses --count. Errors: UserError */
export function countOption(text: string): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new UserError(`--count: ${JSON.stringify(text)} is not a number from 1 on`);
}
