import type { XsdError } from '@domu/xen-abi';
import type { Outcome, XenStoreClient } from './client.ts';
import { toText } from './text.ts';

/** Values of nodes by name; a node that is not there, or may not be read, is missing. */
export type Nodes = ReadonlyMap<string, string>;

/** What to write below a directory: text, or null to remove the node. */
export type NodeChanges = Readonly<Record<string, string | null>>;

/** How often a transaction is tried again after somebody interfered. */
const MAX_ATTEMPTS = 16;

/**
 * Reads nodes of a directory.
 * @param names relative to `directory`
 * @param done gets what is there, or null when the store could not be asked
 */
export function readNodes(
  client: XenStoreClient,
  directory: string,
  names: readonly string[],
  done: (nodes: Nodes | null) => void,
): void {
  const nodes = new Map<string, string>();
  let [left, answered] = [names.length, true];
  for (const name of names) {
    client.read(`${directory}/${name}`, (outcome) => {
      if (outcome.state === 'ok') nodes.set(name, toText(outcome.value));
      else if (isTransient(outcome.error)) answered = false;
      left--;
      if (left === 0) done(answered ? nodes : null);
    });
  }
}

/** Whether a refusal says nothing about the request: the connection to the store broke, or starts over. */
export function isTransient(error: XsdError): boolean {
  return error === 'EAGAIN' || error === 'EIO';
}

/**
 * Writes nodes of a device's directory in one transaction, which is tried again when somebody interfered. A directory
 * without a node `state` has been removed by the toolstack and is not made anew.
 * @param changes not empty
 * @param done null when it is done, or the error: ENOENT when the directory is gone
 */
export function writeNodes(
  client: XenStoreClient,
  directory: string,
  changes: NodeChanges,
  done: (error: XsdError | null) => void,
): void {
  attempt(client, directory, changes, done, MAX_ATTEMPTS);
}

function attempt(
  client: XenStoreClient,
  directory: string,
  changes: NodeChanges,
  done: (error: XsdError | null) => void,
  attemptsLeft: number,
): void {
  client.startTransaction((started) => {
    if (started.state === 'refused') return done(started.error);
    const txId = started.value;
    const give = (error: XsdError): void => client.endTransaction(txId, false, () => done(error));
    const end = (): void =>
      client.endTransaction(txId, true, (ended) => {
        if (ended.state === 'ok') done(null);
        else if (ended.error !== 'EAGAIN' || attemptsLeft <= 1) done(ended.error);
        else attempt(client, directory, changes, done, attemptsLeft - 1);
      });
    client.read(
      `${directory}/state`,
      (found) => {
        if (found.state === 'refused') give(found.error);
        else change(client, { directory, changes, txId }, (error) => (error === null ? end() : give(error)));
      },
      txId,
    );
  });
}

interface ChangeSet {
  readonly directory: string;
  readonly changes: NodeChanges;
  readonly txId: number;
}

function change(
  client: XenStoreClient,
  { directory, changes, txId }: ChangeSet,
  done: (error: XsdError | null) => void,
): void {
  const entries = Object.entries(changes);
  let left = entries.length;
  let refused: XsdError | null = null;
  const note = (outcome: Outcome<void>): void => {
    // A node that is to go may be missing already.
    if (outcome.state === 'refused' && outcome.error !== 'ENOENT') refused ??= outcome.error;
    left--;
    if (left === 0) done(refused);
  };
  for (const [name, value] of entries) {
    const path = `${directory}/${name}`;
    if (value === null) client.rm(path, note, txId);
    else client.write(path, toBytes(value), note, txId);
  }
}

function toBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
