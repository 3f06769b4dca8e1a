export { ConsoleDevice, type ConsoleDeviceOptions } from './console-device.ts';
export { type ConsoleSize, watchConsoleSize } from './console-size.ts';
export { type ConsoleParts, type ConsolePlace, openConsole, PvConsole } from './pv-console.ts';
export { ConsoleRing } from './ring.ts';
