import { readFileSync } from 'node:fs'
import { codes, type CodeEntry } from '../../src/errors/codes.js'
import { code, generatedBy, page, table } from './markdown.js'

const source = 'src/errors/codes.ts'

/** `docs/errors.md`: every code, under the headings codes.ts gives them. */
export function errorsPage(root: URL): string {
  const groups = new Map<string, [string, CodeEntry][]>()
  let group = 'errors'
  for (const line of readFileSync(new URL(source, root), 'utf8').split('\n')) {
    const heading = /^ {2}\/\/ (.+)$/.exec(line)?.[1]
    if (heading !== undefined) group = heading
    const name = /^ {2}(ERR_\w+):/.exec(line)?.[1] as keyof typeof codes | undefined
    if (name !== undefined) groups.set(group, [...(groups.get(group) ?? []), [name, codes[name]]])
  }
  const listed = [...groups.values()].flat().length
  if (listed !== Object.keys(codes).length) throw new Error(`${source}: ${listed} of ${Object.keys(codes).length} codes stand on a line of their own`)
  return page(
    generatedBy(source),
    '# Errors',
    'Every error of Throughline is a `ThroughlineError` with one of these codes; the platform\'s own error, where there was one, is its `cause`. Failing to reach a peer is a `ConnectError`, which also lists each candidate tried with a code of its own.',
    'Exit codes of the command: 0 done, 1 local failure, 2 usage, 3 no sign of life from the peer, 4 it answered but nothing connected, 5 refused, or not who it should be, 6 connection lost, 130 interrupted.',
    ...[...groups].flatMap(([title, entries]) => [
      `## ${title.charAt(0).toUpperCase()}${title.slice(1)}`,
      table(['code', 'when', 'what to do', 'exit'], entries.map(([name, { when, advice, exit }]) => [code(name), when, advice, String(exit)])),
    ]),
  )
}
