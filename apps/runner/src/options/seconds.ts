import { UserError } from '../user-error.ts';

/** Parses an option that is a time: seconds, fractions allowed. Errors: UserError */
export function secondsOption(name: string, text: string): number {
  const seconds = /^[0-9]+(?:\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= 1e6) return seconds;
  throw new UserError(
    `${name}: ${JSON.stringify(text)} is out of range; expected seconds above 0, up to 1000000`,
  );
}
