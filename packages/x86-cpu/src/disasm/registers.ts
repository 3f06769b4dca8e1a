/** Names in hardware order. */
export const REG8 = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'] as const;
export const REG16 = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
export const REG32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** Name of a general register of 8, 16 or 32 bits. */
export function registerName(size: number, n: number): string {
  const names = size === 8 ? REG8 : size === 16 ? REG16 : REG32;
  return names[n & 7] ?? '';
}
