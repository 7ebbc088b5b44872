import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { defaults } from '../../src/config/defaults.js'
import { code, generatedBy, page, table } from './markdown.js'

const source = 'src/config/defaults.ts'

interface Default {
  readonly name: string
  readonly value: string
  readonly reason: string
}

/** `docs/defaults.md`: every number, with its doc comment as the reason. */
export function defaultsPage(root: URL): string {
  const file = ts.createSourceFile(source, readFileSync(new URL(source, root), 'utf8'), ts.ScriptTarget.Latest, true)
  const sections = membersOf(literalOf(file)).map(member => {
    const name = member.name.getText()
    const value = (defaults as Record<string, unknown>)[name]
    const numbers = ts.isObjectLiteralExpression(member.initializer) ? numbersOf(member.initializer, value as Record<string, unknown>, '') : [toDefault(member, '', value)]
    return [`## ${name}`, commentOf(member), table(['name', 'value', 'reason'], numbers.map(({ name, value, reason }) => [code(name), value, reason]))]
  })
  return page(generatedBy(source), '# Defaults', 'One home for each number of the product. Options override those that people need to change.', ...sections.flat())
}

function numbersOf(literal: ts.ObjectLiteralExpression, values: Record<string, unknown>, prefix: string): readonly Default[] {
  return membersOf(literal).flatMap(member => {
    const key = member.name.getText()
    const value = values[key]
    return ts.isObjectLiteralExpression(member.initializer)
      ? numbersOf(member.initializer, value as Record<string, unknown>, `${prefix}${key}.`)
      : [toDefault(member, prefix, value)]
  })
}

const toDefault = (member: ts.PropertyAssignment, prefix: string, value: unknown): Default => {
  const key = member.name.getText()
  return { name: `${prefix}${key}`, value: valueText(key, value), reason: commentOf(member) }
}

function literalOf(file: ts.SourceFile): ts.ObjectLiteralExpression {
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue
    for (const { name, initializer } of statement.declarationList.declarations) {
      const value = initializer !== undefined && (ts.isAsExpression(initializer) || ts.isSatisfiesExpression(initializer)) ? initializer.expression : initializer
      if (name.getText() === 'defaults' && value !== undefined && ts.isObjectLiteralExpression(value)) return value
    }
  }
  throw new Error(`${source} has no object literal named defaults`)
}

const membersOf = (literal: ts.ObjectLiteralExpression): readonly ts.PropertyAssignment[] => literal.properties.filter(ts.isPropertyAssignment)

/** The doc comment right above, on one line. */
const commentOf = (node: ts.Node): string =>
  ts
    .getJSDocCommentsAndTags(node)
    .map(comment => (typeof comment.comment === 'string' ? comment.comment : (ts.getTextOfJSDocComment(comment.comment) ?? '')))
    .join(' ')
    .replaceAll(/\s*\n\s*/g, ' ')

/** A number with the unit its name states. */
function valueText(name: string, value: unknown): string {
  if (typeof value !== 'number') return code(JSON.stringify(value))
  const plain = value.toLocaleString('en')
  if (/Seconds$/.test(name)) return `${plain} s`
  if (/Ms$/.test(name)) return value >= 1_000 ? `${(value / 1_000).toLocaleString('en')} s` : `${plain} ms`
  if (/Bytes|Window|window/.test(name)) return bytesText(value)
  return plain
}

function bytesText(value: number): string {
  const mib = value / 1_024 ** 2
  if (mib >= 1) return `${mib.toLocaleString('en')} MiB`
  return value >= 1_024 ? `${(value / 1_024).toLocaleString('en')} KiB` : `${value} bytes`
}
