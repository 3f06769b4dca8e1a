import { domId } from '@domu/xen-abi';
import { XenStore } from '../server/xen-store.ts';
import { XenStoreClient } from './client.ts';

export const GUEST = 5;
export const HOME: string = `/local/domain/${GUEST}`;

/** A guest's client at the real server, with the two sides taking turns in `settle`. */
export class StoreWorld {
  readonly store: XenStore;
  readonly page: Uint8Array = new Uint8Array(4096);
  readonly client: XenStoreClient;
  readonly #jobs: (() => void)[] = [];

  constructor() {
    this.store = new XenStore({ defer: (job) => this.#jobs.push(job) });
    this.store.mkdir(HOME);
    this.store.setPerms(HOME, [`n${GUEST}`]);
    this.client = new XenStoreClient({ page: this.page, notify: this.connect() });
  }

  /** Introduces the guest, anew if it was before. @returns what raises the store's event */
  connect(): () => void {
    this.page.fill(0);
    let serve = (): void => {};
    this.store.introduceDomain(domId(GUEST), {
      page: this.page,
      bind: (onEvent) => {
        serve = onEvent;
        return { notify: () => this.#jobs.push(() => this.client.onEvent()), close: () => {} };
      },
    });
    return () => this.#jobs.push(() => serve());
  }

  settle(): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) job();
  }
}
