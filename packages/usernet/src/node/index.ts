export { NodeNetwork } from './node-network.ts';
export { HostTicker } from './ticker.ts';
