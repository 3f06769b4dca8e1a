import { RawStore } from '@domu/backends';
import { NodeFile } from './node-file.ts';

/** A raw disk image in a file, or a block device. */
export class FileBlockStore extends RawStore {
  /**
   * Opens an image. A partial last sector does not count.
   * Errors: throws what `NodeFile` throws
   */
  constructor(path: string, options: { readonly readonly: boolean }) {
    super(new NodeFile(path, options));
  }
}
