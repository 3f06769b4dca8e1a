export * from './host.ts';
export {
  DEFAULT_OPTIONS,
  type Forward,
  type Parsed,
  parseForward,
  parseUserOptions,
  type UserNetworkOptions,
} from './options.ts';
export { UserNetwork, type UserNetworkParts } from './user-network.ts';
