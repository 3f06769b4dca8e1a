/**
 * commander's "error: …", with its guess on a line of its own, as one line of ours.
 * @param help the command that tells more
 */
export function usageError(text: string, help: string): string {
  const line = text
    .trim()
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replaceAll('\n', ' ');
  return `domu: ${line}; try "${help}"\n`;
}
