import { codes } from '../errors/index.js'
import { commandTable, optionTable, optionsOf, type CommandRow, type OptionRow } from './options.js'

const columns = 80

/** What `throughline --help` prints. */
export function generalHelp(): string {
  const width = Math.max(...commandTable.map(row => row.name.length)) + 4
  return [
    'Throughline gives two machines a pipe: an encrypted, ordered, reliable byte',
    'stream, whatever NATs and firewalls stand between them.',
    '',
    'Usage: throughline COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...commandTable.map(row => hanging(`  ${row.name}`, row.summary, width)),
    '',
    'A first pipe:',
    '  throughline listen --echo          prints an address',
    '  throughline connect ADDRESS        on any other machine: type, and it comes back',
    '',
    '`throughline COMMAND --help` explains a command, its options and examples.',
    `Options can also be set in throughline.config.json and in the environment`,
    '(THROUGHLINE_MQTT, THROUGHLINE_IDENTITY, …); the command line goes first.',
    '',
  ].join('\n')
}

/** What `throughline COMMAND --help` prints. */
export function commandHelp(command: CommandRow): string {
  const rows = optionsOf(command.name)
  const own = rows.filter(row => row.commands.length < commandTable.length)
  const shared = rows.filter(row => row.commands.length === commandTable.length)
  return [
    `Usage: throughline ${command.usage}`,
    '',
    hanging('', command.summary, 0),
    ...(command.description === '' ? [] : ['', hanging('', command.description, 0)]),
    '',
    'Examples:',
    ...command.examples.map(example => `  ${example}`),
    ...(own.length === 0 ? [] : ['', 'Options:', ...own.map(describe)]),
    '',
    `Options of every command (lists: repeat the option, or separate by commas):`,
    ...shared.map(describe),
    '',
    hanging('', `Exit codes: 0 done, ${exitMeanings()}`, 0),
    '',
  ].join('\n')
}

const describe = (row: OptionRow): string => {
  const short = row.short === undefined || row.flag === `-${row.short}` ? '' : `-${row.short}, `
  const flag = `  ${short}${row.flag}${row.value === undefined ? '' : ` ${row.value}`}${row.multiple === true ? '…' : ''}`
  return hanging(flag, `${row.description}${row.default === undefined ? '' : ` Default: ${row.default}.`}`, optionWidth)
}

const optionWidth = Math.min(28, Math.max(...optionTable.map(row => row.flag.length + (row.value?.length ?? 0) + 6)))

/** Text in a column of its own, wrapped; a long label gets a line for itself. */
function hanging(label: string, text: string, indent: number): string {
  const lines: string[] = []
  let line = label.length < indent || indent === 0 ? label.padEnd(indent) : `${label}\n${' '.repeat(indent)}`
  let used = indent
  for (const word of text.split(' ')) {
    if (used > indent && used + 1 + word.length > columns) {
      lines.push(line)
      line = ' '.repeat(indent)
      used = indent
    }
    line += used > indent ? ` ${word}` : word
    used += word.length + (used > indent ? 1 : 0)
  }
  return [...lines, line].join('\n')
}

/** The meaning of the exit codes that the table of error codes knows. */
function exitMeanings(): string {
  const meanings: Readonly<Record<number, string>> = { 1: 'local failure', 2: 'usage', 3: 'no sign of life', 4: 'nothing connected', 5: 'refused or wrong peer', 6: 'connection lost', 130: 'interrupted' }
  const used = [...new Set(Object.values(codes).map(({ exit }) => exit))].sort((a, b) => a - b)
  return used.map(exit => `${exit} ${meanings[exit]}`).join(', ') + '.'
}
