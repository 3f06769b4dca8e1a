/** How many tasks use an object that threads may share. An object that nobody has shared has one user. */
export class Shares<T extends object> {
  readonly #counts: WeakMap<T, number> = new WeakMap();

  share(object: T): T {
    this.#counts.set(object, this.users(object) + 1);
    return object;
  }

  users(object: T): number {
    return this.#counts.get(object) ?? 1;
  }

  /** @returns whether that was the last user */
  leave(object: T): boolean {
    const left = this.users(object) - 1;
    this.#counts.set(object, left);
    return left === 0;
  }
}
