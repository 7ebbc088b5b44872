import type { Measured, Row } from './result.js'

const header = ['', 'median', 'reference', 'ratio', 'target'] as const

/** The results as text for people: one block per measurement. */
export function formatTable(results: readonly Measured[]): string {
  return results.map(formatMeasured).join('\n\n')
}

function formatMeasured({ name, rows, skipped }: Measured): string {
  const cells = rows.map(cellsOf)
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map(row => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => (column === 1 || column === 3 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()
  const table = rows.length === 0 ? [] : [header, ...cells].map(row => `  ${line(row)}`)
  return [name, ...table, ...(skipped === undefined ? [] : [`  skipped: ${skipped}`])].join('\n')
}

const cellsOf = ({ what, value, unit, reference, ratio, target }: Row): readonly string[] => [
  what,
  `${digits(value)} ${unit}`,
  reference ?? '',
  ratio === undefined ? '' : ratio.toFixed(2),
  target === undefined ? '' : `${target.text}: ${target.isMet ? 'met' : 'NOT MET'}`,
]

const digits = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2))
