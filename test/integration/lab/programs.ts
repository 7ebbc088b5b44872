import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Host } from '../../support/lab/index.js'

// Plain programs that know nothing of the lab. Each writes one JSON line per fact.

/** Listens, tells where from it is called, and sends back what it gets. */
const echoServer = `
const [host, port] = process.argv.slice(1)
const server = require('net').createServer({ allowHalfOpen: true }, socket => {
  console.log(JSON.stringify({ from: socket.remoteAddress, port: socket.remotePort }))
  socket.on('error', () => {}).pipe(socket)
})
server.listen(Number(port), host, () => console.log(JSON.stringify({ listening: server.address().port })))
`

/** Connects, sends random bytes, and compares what comes back. */
const echoClient = `
const [host, port, size, timeoutMs, localPort, localAddress] = process.argv.slice(1)
const { createHash, randomBytes } = require('crypto')
const startedAt = performance.now()
const say = fact => { console.log(JSON.stringify(fact)); process.exit(0) }
setTimeout(() => say({ error: 'timeout' }), Number(timeoutMs))
const socket = require('net').connect({ host, port: Number(port), ...(localPort ? { localPort: Number(localPort) } : {}), ...(localAddress ? { localAddress } : {}) })
socket.on('error', error => say({ error: error.code }))
socket.on('connect', () => {
  const connectMs = performance.now() - startedAt
  const sent = createHash('sha256'), received = createHash('sha256')
  const chunk = randomBytes(65536 + 17)
  let left = Number(size), got = 0
  const write = () => {
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length))
      left -= part.length
      sent.update(part)
      if (!socket.write(part)) return socket.once('drain', write)
    }
    socket.end()
  }
  write()
  socket.on('data', bytes => { got += bytes.length; received.update(bytes) })
  socket.on('end', () => say({ connectMs, got, intact: sent.digest('hex') === received.digest('hex'), totalMs: performance.now() - startedAt }))
})
`

/** Calls again and again from one port to one endpoint until it gets through. */
const puncher = `
const [host, port, localPort, timeoutMs] = process.argv.slice(1)
const net = require('net')
setTimeout(() => { console.log(JSON.stringify({ error: 'timeout' })); process.exit(0) }, Number(timeoutMs))
const attempt = () => {
  const socket = net.connect({ host, port: Number(port), localPort: Number(localPort) })
  socket.on('error', () => setTimeout(attempt, 50))
  socket.on('connect', () => socket.write('hello'))
  socket.on('data', bytes => { console.log(JSON.stringify({ got: String(bytes) })); setTimeout(() => process.exit(0), 300) })
}
attempt()
`

export interface Heard {
  readonly from: string
  readonly port: number
}

export interface EchoResult {
  readonly error?: string
  readonly connectMs: number
  readonly got: number
  readonly intact: boolean
  readonly totalMs: number
}

export interface EchoServer {
  readonly port: number
  readonly heard: readonly Heard[]
  readonly child: ChildProcess
}

export async function startEcho(host: Host, bind: string): Promise<EchoServer> {
  const child = host.spawn(process.execPath, ['-e', echoServer, bind, '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const heard: Heard[] = []
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the echo server on ${host.name} ended with ${code}`)))
    createInterface(child.stdout ?? process.stdin).on('line', line => {
      const fact = JSON.parse(line) as { listening: number } | Heard
      if ('listening' in fact) resolve(fact.listening)
      else heard.push(fact)
    })
  })
  return { port, heard, child }
}

export async function echo(host: Host, target: string, port: number, options: { size?: number; timeoutMs?: number; localPort?: number; localAddress?: string } = {}): Promise<EchoResult> {
  const { size = 1, timeoutMs = 5_000, localPort = '', localAddress = '' } = options
  const args = ['-e', echoClient, target, port, size, timeoutMs, localPort, localAddress].map(String)
  return factOf(await host.run(process.execPath, args, { timeoutMs: timeoutMs + 5_000 })) as EchoResult
}

export async function punch(host: Host, target: string, port: number, localPort: number): Promise<{ error?: string; got?: string }> {
  const timeoutMs = 8_000
  return factOf(await host.run(process.execPath, ['-e', puncher, target, port, localPort, timeoutMs].map(String), { timeoutMs: timeoutMs + 5_000 })) as { got?: string }
}

function factOf({ stdout, stderr }: { stdout: string; stderr: string }): unknown {
  if (stdout.trim() === '') throw new Error(`the program said nothing: ${stderr}`)
  return JSON.parse(stdout)
}
