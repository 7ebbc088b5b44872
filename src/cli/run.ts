import type { Readable, Writable } from 'node:stream'
import { parseCommandLine, type CommandLine } from './command-line.js'
import type { Command } from './context.js'
import { exitOf, interruptedExit, usageError } from './failure.js'
import { endSignals, watchSignals, type SignalSource } from './interrupt.js'
import type { CreateNode } from './node-opener.js'
import { createOutput, jsonStreamOf, type Output } from './output.js'
import type { Settings } from './settings.js'

/** What a command needs of its process. */
export interface CommandProcess extends SignalSource {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  cwd(): string
}

/** Each command is loaded when it is asked for. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.js')).demo,
  listen: async () => (await import('./commands/listen.js')).listen,
  connect: async () => (await import('./commands/connect.js')).connect,
  forward: async () => (await import('./commands/forward.js')).forward,
  ping: async () => (await import('./commands/ping.js')).ping,
  nat: async () => (await import('./commands/nat.js')).nat,
  infra: async () => (await import('./commands/infra.js')).infra,
  identity: async () => (await import('./commands/identity.js')).identity,
}

/** Runs the command of these arguments; resolves to the exit code and never rejects. `createNode` replaces the library's in tests. */
export async function run(args: readonly string[], process: CommandProcess, createNode?: CreateNode): Promise<number> {
  let output = outputOf(process, args[0] ?? '', args.includes('--json'), !args.some(arg => /^--(echo|exec|forward)\b/.test(arg)))
  try {
    const line = parseCommandLine(args)
    const text = await textFor(line)
    if (text !== undefined) {
      process.stdout.write(text)
      return 0
    }
    if (line.command === undefined) throw usageError('a command is missing; `throughline --help` lists them')
    const { name } = line.command
    const settings = await settingsOf(line, process)
    const { isStdioMode } = await import('./listen-mode.js')
    output = outputOf(process, name, settings.json === true, isStdioMode(settings))
    return await runCommand(name, line.words, settings, process, output, createNode)
  } catch (error) {
    output.error(error)
    return exitOf(error)
  }
}

async function runCommand(name: string, words: readonly string[], settings: Settings, process: CommandProcess, output: Output, createNode?: CreateNode): Promise<number> {
  const { nodeOpener } = await import('./node-opener.js')
  // ssh ends its ProxyCommand with SIGHUP; for the others it keeps its meaning, so that nohup works.
  const interruption = watchSignals(process, name === 'connect' ? [...endSignals, 'SIGHUP'] : endSignals)
  const { signal } = interruption
  const nodes = nodeOpener(settings, signal, createNode)
  // When the reader of our events leaves, the command ends in peace; a pipe on stdout notices by itself.
  const onBroken = () => output.stdoutIsPipe || interruption.cancel()
  process.stdout.on('error', onBroken)
  try {
    const command = await commands[name]?.()
    if (command === undefined) throw usageError(`the command ${name} is missing`)
    const { stdin, stdout, stderr } = process
    const code = await command({ settings, words, stdin, stdout, stderr, output, signal, openNode: options => nodes.open(options) })
    return signal.aborted && !interruption.isInterrupted ? 0 : code
  } catch (error) {
    if (signal.aborted) return interruption.isInterrupted ? interruptedExit : 0
    output.error(error)
    return exitOf(error)
  } finally {
    await nodes.close()
    if (interruption.isInterrupted) output.say('interrupted')
    process.stdout.off('error', onBroken)
    interruption.stop()
  }
}

/** Help or version, when that is all that is wanted. */
async function textFor({ command, help, version }: CommandLine): Promise<string | undefined> {
  if (version) return `${(await import('./version.js')).readVersion()}\n`
  if (!help) return undefined
  const { commandHelp, generalHelp } = await import('./help.js')
  return command === undefined ? generalHelp() : commandHelp(command)
}

async function settingsOf(line: CommandLine, process: CommandProcess): Promise<Settings> {
  const { readSettings } = await import('./read-settings.js')
  return readSettings(line, { env: process.env, cwd: process.cwd() })
}

const outputOf = ({ stdout, stderr }: CommandProcess, command: string, json: boolean, isStdio: boolean): Output =>
  createOutput({ command, json, jsonTo: jsonStreamOf(command, isStdio), stdout, stderr })
