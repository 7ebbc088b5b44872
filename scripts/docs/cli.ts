import { commandTable, optionTable, type CommandRow, type OptionRow } from '../../src/cli/options.js'
import { eventTable } from '../../src/cli/events.js'
import { code, generatedBy, page, table } from './markdown.js'

/** `docs/cli.md`: commands, options, JSON events and exit codes. */
export function cliPage(): string {
  const shared = optionTable.filter(servesAll)
  return page(
    generatedBy('src/cli/options.ts and src/cli/events.ts'),
    '# The command',
    table(['command', 'what it does'], commandTable.map(({ name, summary }) => [`[${name}](#${name})`, summary])),
    ...commandTable.flatMap(command => commandSection(command, optionTable.filter(option => !shared.includes(option) && option.commands.includes(command.name)))),
    '## Options of every command',
    'Those with an environment variable can also be set by it, or in the configuration file. The command line wins over the environment, the environment over the file.',
    table(['option', 'what it does', 'default', 'environment'], shared.map(option => [...optionRow(option), code(option.env ?? '')])),
    '## JSON events',
    'With `--json`: one object per line on stdout, or on stderr where stdout carries the pipe (`connect`, `forward`, `listen` without a mode). Each has `event` and `atMs` (since the process started). Ignore what you do not know.',
    table(['event', 'commands', 'fields', 'when'], eventTable.map(row => [code(row.event), row.commands.join(', '), row.fields.map(code).join(', '), row.when])),
    '## Exit codes',
    table(['code', 'meaning'], exitCodes),
    'The code of each error is in [errors.md](errors.md).',
  )
}

const servesAll = ({ commands }: OptionRow): boolean => commandTable.every(({ name }) => commands.includes(name))

const commandSection = ({ name, usage, description }: CommandRow, own: readonly OptionRow[]): string[] => [
  `## ${name}`,
  `\`\`\`\nthroughline ${usage}\n\`\`\``,
  description,
  table(['option', 'what it does', 'default'], own.map(optionRow)),
]

function optionRow({ flag, short, value = '', description, default: preset = '', multiple = false }: OptionRow): string[] {
  const names = [...new Set([...(short === undefined ? [] : [`-${short}`]), flag])].join(', ')
  return [code(`${names} ${value}${multiple ? '…' : ''}`.trim()), description, preset]
}

const exitCodes = [
  ['0', 'done'],
  ['1', 'local failure: key file, identity or port in use, configuration'],
  ['2', 'usage'],
  ['3', 'no sign of life from the peer'],
  ['4', 'it answered but nothing connected'],
  ['5', 'refused by the peer, or the peer is not who it should be'],
  ['6', 'connection lost'],
  ['130', 'interrupted'],
]
