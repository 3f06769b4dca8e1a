/** Something is wrong with what the user gave us: one line on stderr, exit code 2, nothing started. */
export class UserError extends Error {
  override readonly name = 'UserError';
}
