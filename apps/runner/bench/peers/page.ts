/**
 * A page with new figures. They stand between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, as text.
 * Errors: the page has no such place
 */
export function withFigures(page: string, name: string, figures: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no place for figures of "${name}"`);
  return `${page.slice(0, from)}${begin}\n\n\`\`\`text\n${figures.trimEnd()}\n\`\`\`\n\n${page.slice(to)}`;
}
