export { FileSide } from './file-side.ts';
