export { FileBlockStore } from './file-block-store.ts';
export { StreamConsoleSink, type StreamConsoleSinkOptions } from './stream-console-sink.ts';
