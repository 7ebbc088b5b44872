// One node of the demo, in a process of its own: its one argument is a NodeSetup as JSON.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { firstValueFrom } from 'rxjs'
import { ConnectError, createNode, type NetworkSummary, type Node, type Pipe } from '../../index.js'
import { createRecorder } from '../../observe/recorder.js'
import { failureOf } from '../failure.js'
import { monotonicMs, type Moment, type Nat, type NodeSetup, type Reason, type Report, type Request, type Transferred } from './messages.js'
import { candidateMoment, glimpse } from './moments.js'
import { digestOf } from './workspace.js'

const { role, folder, broker, stun, peerId, reportFile } = JSON.parse(process.argv[2] ?? '{}') as NodeSetup

/** The demo has gone, or wants us gone: nothing is worth keeping, and whoever is last removes the folder. */
const leave = () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}
process.on('disconnect', leave)
process.on('SIGTERM', leave)
process.on('SIGHUP', leave)
// A terminal sends Ctrl-C to all of us; the demo decides.
process.on('SIGINT', () => {})
process.on('uncaughtException', error => fail(error))
// It went while this file was loaded: nobody would tell.
if (!process.connected) leave()

const tell = (report: Report) => void (process.connected && process.send?.(report))
const fail = (error: unknown, verdict?: Reason) => tell({ tell: 'failed', failure: failureOf(error), ...(verdict !== undefined && { verdict }) })
/** Without its time, which is now. */
type Untimed<T> = T extends unknown ? Omit<T, 'atMs'> : never
const show = (moment: Untimed<Moment>) => tell({ tell: 'moment', moment: { ...moment, atMs: monotonicMs() } as Moment })

const recorder = reportFile === undefined ? undefined : createRecorder(reportFile)

/** Keys live in memory only. Alice takes no inbound role; Bob lets nobody in but her. */
const openNode = (): Promise<Node> =>
  createNode({
    identity: { seed: randomBytes(32) }, name: role, mqtt: [broker], stun, ntp: [],
    ...(role === 'alice' ? { inbound: false } : { allow: peerId === undefined ? [] : [peerId] }),
    inspect(event) {
      recorder?.inspect(event)
      const seen = glimpse(event)
      // Alice's candidates come from the public stream, which also has their outcomes.
      if (seen !== undefined && (seen.kind === 'signal' || role === 'bob')) show(seen)
    },
  })

async function send(node: Node, { address, strategy, file, timeoutMs }: Extract<Request, { ask: 'send' }>): Promise<void> {
  const dialledAtMs = monotonicMs()
  const attempt = node.dial(address, { strategies: [strategy], timeoutMs })
  tell({ tell: 'dialled', session: attempt.session, atMs: dialledAtMs })
  attempt.state$.subscribe(value => show({ kind: 'state', value }))
  attempt.candidates$.subscribe(record => show({ kind: 'candidate', candidate: candidateMoment(record) }))
  try {
    const pipe = await attempt.pipe
    tell({ tell: 'connected', path: pipe.path, elapsedMs: attempt.report().elapsedMs })
    const sent = await sendFile(pipe, file)
    tell({ tell: 'done', file: sent, verdict: attempt.report().verdict })
  } catch (error) {
    fail(error, ConnectError.is(error) ? attempt.report().verdict : undefined)
  }
}

/** Resolves when the peer has acknowledged every byte and ended its side. */
async function sendFile(pipe: Pipe, file: string): Promise<Transferred> {
  const startedAtMs = monotonicMs()
  const hash = createHash('sha256')
  const source = createReadStream(file, { highWaterMark: 256 * 1_024 }).on('data', chunk => hash.update(chunk))
  pipe.resume()
  await Promise.all([pipeline(source, pipe), once(pipe, 'close')])
  return { bytes: pipe.stats.bytesOut, sha256: hash.digest('hex'), elapsedMs: monotonicMs() - startedAtMs }
}

/** Takes the next pipe into a file, and looks at what is on the disk then. */
async function receive(node: Node, file: string): Promise<void> {
  const startedAtMs = monotonicMs()
  const pipe = await firstValueFrom(node.pipes$)
  show({ kind: 'pipe', path: pipe.path })
  pipe.end()
  await pipeline(pipe, createWriteStream(file))
  tell({ tell: 'done', file: { ...(await digestOf(file)), elapsedMs: monotonicMs() - startedAtMs } })
}

/** Undefined where the world sees our own address, or nobody was asked. */
function natOf({ interfaces }: NetworkSummary): Nat | undefined {
  const one = interfaces.find(({ external, local }) => external !== null && external !== local)
  return one && { local: one.local, external: one.external ?? '', mapping: one.tcp.mapping, filtering: one.tcp.filtering }
}

async function stop(node: Node): Promise<void> {
  await node.close()
  await recorder?.close()
  process.off('disconnect', leave)
  process.disconnect()
}

try {
  const node = await openNode()
  process.on('message', (request: Request) => {
    const work = request.ask === 'send' ? send(node, request) : request.ask === 'receive' ? receive(node, request.file) : stop(node)
    work.catch((error: unknown) => fail(error))
  })
  await node.settled()
  const network = await firstValueFrom(node.network$)
  const nat = natOf(network)
  tell({ tell: 'online', id: node.id, address: node.address, port: network.listenPort, ...(nat !== undefined && { nat }) })
} catch (error) {
  fail(error)
}
