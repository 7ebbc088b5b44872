import { parseArgs } from 'node:util'
import { usageError } from './failure.js'
import { commandTable, laterCommands, optionTable, optionsOf, type CommandRow, type OptionRow } from './options.js'
import { nearest } from './suggest.js'

/** What the command line says, not yet checked value by value. */
export interface CommandLine {
  readonly command: CommandRow | undefined
  readonly words: readonly string[]
  /** Texts by option key; a switch has `true`. */
  readonly given: ReadonlyMap<string, { readonly flag: string; readonly texts: readonly string[] }>
  readonly help: boolean
  readonly version: boolean
}

/** Values that cannot be a PEER, a port or a target: they may follow a list option without a comma anywhere. */
const urlLists: Readonly<Record<string, RegExp>> = { mqtt: /^(mqtts?|wss?):\/\//i, turn: /^turns?:/ }

/** Reads the arguments after the program's name. Throws ERR_USAGE that names the nearest command or option. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const command = findCommand(args[0])
  const rest = command === undefined ? args : args.slice(1)
  const rows = command === undefined ? optionTable.filter(row => row.key === 'help' || row.key === 'version') : optionsOf(command.name)
  const { tokens } = parseArgs({
    args: [...rest],
    options: Object.fromEntries(rows.map(row => [longName(row), { type: row.value === undefined ? 'boolean' : 'string', ...(row.short === undefined ? {} : { short: row.short }) }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const words: string[] = []
  const given = new Map<string, { flag: string; texts: string[] }>()
  let list: { row: OptionRow; texts: string[] } | undefined
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (list !== undefined && continues(list.row, token.value, command)) list.texts.push(token.value)
      else words.push(token.value)
      continue
    }
    list = undefined
    if (token.kind === 'option-terminator') continue
    const row = rows.find(one => longName(one) === token.name) ?? unknownOption(token.rawName, command, rows)
    const texts = given.get(row.key)?.texts ?? []
    texts.push(valueOf(row, token))
    given.set(row.key, { flag: row.flag, texts })
    if (row.multiple === true) list = { row, texts }
  }
  const [help, version] = [given.delete('help'), given.delete('version')]
  if (command !== undefined && !help && !version) checkWords(command, words)
  return { command, words, given, help, version }
}

function findCommand(word: string | undefined): CommandRow | undefined {
  if (word === undefined || word.startsWith('-')) return undefined
  const command = commandTable.find(row => row.name === word)
  if (command !== undefined) return command
  if (laterCommands.some(name => name === word)) throw usageError(`this version does not have the command ${word} yet`)
  const near = nearest(word, commandTable.map(row => row.name))
  throw usageError(`${JSON.stringify(word.slice(0, 40))} is not a command${near === undefined ? '' : `, the nearest is ${near}`}`)
}

function unknownOption(flag: string, command: CommandRow | undefined, rows: readonly OptionRow[]): never {
  if (command === undefined) throw usageError(`a command comes before ${flag}`)
  const others = optionTable.find(row => row.flag === flag)
  if (others !== undefined) throw usageError(`${flag} is an option of ${others.commands.join(', ')}, not of ${command.name}`)
  const near = nearest(flag, rows.map(row => row.flag))
  throw usageError(`${flag} is not an option of ${command.name}${near === undefined ? '' : `, the nearest is ${near}`}`)
}

function valueOf(row: OptionRow, token: { rawName: string; value: string | undefined; inlineValue: boolean | undefined }): string {
  if (row.value === undefined) {
    if (token.value !== undefined) throw usageError(`${row.flag} takes no value`)
    return 'true'
  }
  if (token.value === undefined || token.value === '') throw usageError(`${row.flag} wants a value: ${row.flag} ${row.value}`)
  if (token.inlineValue !== true && /^-./.test(token.value)) throw usageError(`${row.flag} wants a value, but ${token.value} follows`)
  return token.value
}

/** Whether a word right after a list option belongs to it: when the command takes no words, or the word can be nothing else. */
function continues(row: OptionRow, word: string, command: CommandRow | undefined): boolean {
  return command?.words[1] === 0 || urlLists[row.key]?.test(word) === true
}

function checkWords({ name, usage, words: [least, most] }: CommandRow, words: readonly string[]): void {
  if (words.length < least) throw usageError(`${name} wants more: throughline ${usage}`)
  const extra = words[most]
  if (extra !== undefined) throw usageError(`${name} does not know what to do with ${JSON.stringify(extra.slice(0, 80))}: throughline ${usage}`)
}

const longName = (row: OptionRow): string => row.flag.replace(/^-+/, '')
