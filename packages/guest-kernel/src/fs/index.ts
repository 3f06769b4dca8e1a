export { FdTable } from './fd-table.ts';
export { letGo, retain } from './file-handle.ts';
export { FileSide, type FileSideConfig } from './file-side.ts';
export { FsContext } from './fs-context.ts';
export { tellPath } from './pins.ts';
export { Walk } from './walk.ts';
