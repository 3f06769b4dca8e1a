/** Exit codes of `domu run`, as its help lists them. */
export const EXIT_OK = 0;
export const EXIT_BUG = 1;
export const EXIT_USAGE = 2;
export const EXIT_CRASHED = 3;
export const EXIT_REBOOTED = 4;
export const EXIT_TIMEOUT = 124;
