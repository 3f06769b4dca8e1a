export { NodeImages } from './node-images.ts';
export { SocketConsole, type SocketConsoleOptions } from './socket-console.ts';
export { StreamConsoleSink, type StreamConsoleSinkOptions } from './stream-console-sink.ts';
export { TapNetwork, type TapOptions, tapObstacle } from './tap.ts';
