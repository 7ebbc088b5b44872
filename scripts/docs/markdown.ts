/** The line every generated page begins with. */
export const generatedBy = (source: string): string => `<!-- Generated from ${source} by \`npm run docs\`. Do not edit. -->\n`

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ').trim()

/** A table; nothing at all when there are no rows. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [row(header), row(header.map(() => '---')), ...rows.map(row), ''].join('\n')
}

/** `text` as inline code; nothing for nothing. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``)

/** `pipeSession` as `pipe-session`. */
export const kebab = (name: string): string => name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, letter => `-${letter}`).toLowerCase()

/** Blocks with one empty line between them. */
export const page = (...blocks: readonly string[]): string => `${blocks.map(block => block.trim()).filter(block => block !== '').join('\n\n')}\n`
