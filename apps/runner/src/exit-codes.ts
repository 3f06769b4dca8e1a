/** Exit codes of `domu`; those of `domu run` are listed in its help. */
export const EXIT_OK = 0;
export const EXIT_BUG = 1;
export const EXIT_USAGE = 2;
export const EXIT_CRASHED = 3;
export const EXIT_REBOOTED = 4;
export const EXIT_TIMEOUT = 124;
/** The reader of our output has gone away: as if SIGPIPE had ended us. */
export const EXIT_PIPE = 141;
