/** What a domain may be given, and what it gets when nothing is said. */
export const MIN_MEMORY_MIB = 1;
export const MAX_MEMORY_MIB = 3072;
export const DEFAULT_MEMORY_MIB = 128;
export const MAX_VCPUS = 32;
