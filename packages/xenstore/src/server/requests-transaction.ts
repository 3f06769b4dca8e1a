import { fromText, soleString } from './payload.ts';
import type { Handler } from './request-context.ts';

/** TRANSACTION_START | -> id| */
export const transactionStart: Handler = ({ connection, core, reply, transaction }) => {
  if (transaction !== null) return 'EBUSY';
  if (!connection.privileged && connection.transactions.size >= core.quotas.transactions) return 'ENOSPC';
  const id = connection.addTransaction(core.startTransaction(connection.privileged));
  reply(fromText(`${id}\0`));
  return null;
};

/** TRANSACTION_END T| or F| -> OK| ; EAGAIN when somebody changed what the transaction saw. */
export const transactionEnd: Handler = ({ connection, core, payload, reply, transaction, txId }) => {
  const verdict = soleString(payload);
  if (verdict !== 'T' && verdict !== 'F') return 'EINVAL';
  if (transaction === null) return 'ENOENT';
  connection.transactions.delete(txId);
  const refused = verdict === 'T' ? core.commit(transaction) : null;
  if (refused === null) reply(fromText('OK\0'));
  return refused;
};
