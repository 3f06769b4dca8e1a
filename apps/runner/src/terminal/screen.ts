/** Colours off, cursor on: what guests leave behind in a terminal. */
export const TERMINAL_RESET = '\x1b[0m\x1b[?25h';
