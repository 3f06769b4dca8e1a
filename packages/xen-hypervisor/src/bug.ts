/** A contradiction inside domu itself: never a guest's fault. Only the runner catches it. */
export class PlatformBug extends Error {
  override readonly name: string = 'PlatformBug';
}

/** Reports a bug of ours. */
export function bug(message: string): never {
  throw new PlatformBug(message);
}
