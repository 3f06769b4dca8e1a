/** An error of ours: a counter went wrong or a caller broke a precondition. No guest input can raise it. */
export class PlatformBug extends Error {
  override readonly name: string = 'PlatformBug';
}

/** Stops at once: the state of machine memory can no longer be trusted. */
export function bug(message: string): never {
  throw new PlatformBug(message);
}
