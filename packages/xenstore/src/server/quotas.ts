/**
 * Limits on what one unprivileged domain may take of the store. dom0 has none.
 * Source: tools/xenstored/domain.c, "hard_quotas" @ RELEASE-4.18.0
 */
export interface Quotas {
  /** nodes owned by the domain */
  readonly nodes: number;
  /** watches registered by the domain */
  readonly watches: number;
  /** transactions that the domain holds open */
  readonly transactions: number;
  /** distinct nodes that one transaction may touch */
  readonly transactionNodes: number;
  /** entries in one node's permission list */
  readonly permsPerNode: number;
  /** bytes of one node: its value, child names, permissions and header */
  readonly nodeSizeBytes: number;
  /** replies that may wait for room in the response ring before requests are left in the request ring */
  readonly outstandingReplies: number;
  /** bytes of undelivered output per connection; beyond it watch events are dropped */
  readonly queuedBytes: number;
}

/** xenstored's own defaults. */
export const DEFAULT_QUOTAS: Quotas = {
  nodes: 1000,
  watches: 128,
  transactions: 10,
  transactionNodes: 1024,
  permsPerNode: 5,
  nodeSizeBytes: 2048,
  outstandingReplies: 20,
  queuedBytes: 2_621_440,
};
