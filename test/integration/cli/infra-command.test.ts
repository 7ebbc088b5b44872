import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { startServices } from '../../../src/cli/infra/services.js'
import { systemClock } from '../../../src/net/clock.js'
import { askTimeServer } from '../../../src/net/sntp-client.js'
import { connectStunTcp } from '../../../src/net/stun-tcp-client.js'
import { openStunUdp } from '../../../src/net/stun-udp-client.js'
import { freePort } from '../../support/free-port.js'
import { startCli, type CliProcess } from './cli-process.js'

/** Any free ports, so that tests don't meet each other or what runs on this machine. */
const anyPorts = ['--port', '0', '--stun-port', '0', '--ntp-port', '0']
const signal = () => AbortSignal.timeout(5_000)

interface Infra {
  readonly mqtt: readonly [string]
  readonly ws: readonly string[]
  readonly stun: readonly [string]
  readonly turn: readonly string[]
  readonly ntp: readonly [string]
}

/** Starts it on loopback; resolves to what it tells when it is ready. */
async function start(...args: string[]): Promise<CliProcess & { readonly infra: Infra }> {
  const process = startCli('infra', '--host', '127.0.0.1', ...anyPorts, '--json', ...args)
  return { ...process, infra: (await process.event('infra')) as unknown as Infra }
}

const portOf = (server: string): number => Number(/:(\d+)$/.exec(server)?.[1])
const askStun = async (server: string) => {
  const socket = await openStunUdp({ host: '127.0.0.1', port: 0 })
  const answer = await socket.request({ server: { host: '127.0.0.1', port: portOf(server) }, timeoutMs: 2_000, signal: signal() })
  await socket.close()
  return answer
}

describe('throughline infra', () => {
  it('runs a broker until it is interrupted, then frees its ports within a second', async () => {
    const { child, infra: { mqtt, ws }, code } = await start('--ws-port', '0')
    expect(ws[0]).toMatch(/^ws:\/\/127\.0\.0\.1:\d+/)
    const port = portOf(mqtt[0])
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {}).resume()
    const startedAtMs = performance.now()
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('answers STUN over UDP and TCP', async () => {
    const { infra: { stun } } = await start()
    const server = { host: '127.0.0.1', port: portOf(stun[0]) }
    const { mapped, local } = await askStun(stun[0])
    expect(mapped).toEqual(local)
    const connection = await connectStunTcp({ server, local: { host: '127.0.0.1', port: 0 }, timeoutMs: 2_000, signal: signal() })
    expect(connection.binding.mapped).toEqual(connection.local)
    await connection.close()
  })

  it('has a second address for STUN when it is given one', async () => {
    const { infra: { stun } } = await start('--alternate-host', '127.0.0.2')
    expect((await askStun(stun[0])).other).toMatchObject({ host: '127.0.0.2' })
  })

  it('tells the time', async () => {
    const { infra: { ntp } } = await start()
    const answer = await askTimeServer({ server: ntp[0], clock: systemClock(), random: randomBytes, signal: signal() })
    expect(answer).toMatchObject({ ok: true, server: ntp[0] })
  })

  it('prints the options to give to every node', async () => {
    const { child } = startCli('infra', '--host', '127.0.0.1', ...anyPorts)
    const said = await untilSays(child.stdout, '--ntp')
    expect(said).toMatch(/^ {2}--mqtt mqtt:\/\/127\.0\.0\.1:\d+ --stun 127\.0\.0\.1:\d+ --ntp 127\.0\.0\.1:\d+$/m)
  })

  it.each([
    ['--port', 'mqtt', 'the broker'],
    ['--stun-port', 'stun', 'the STUN server'],
    ['--ntp-port', 'ntp', 'the time server'],
  ] as const)('says that the port of %s is taken', async (option, list, what) => {
    const { infra } = await start()
    const second = startCli('infra', '--host', '127.0.0.1', ...anyPorts, option, String(portOf(infra[list][0])))
    const [shown, code] = await Promise.all([text(second.child.stderr), second.code])
    expect(code).toBe(1)
    expect(shown).toMatch(new RegExp(`^throughline infra: ${what} did not start: .*; choose another port with ${option}, or 0 for any \\(ERR_PORT_IN_USE\\)\n$`))
  })

  it('closes what has started when something else cannot', async () => {
    const { infra } = await start()
    const port = await freePort()
    const taken = portOf(infra.ntp[0])
    await expect(startServices({ host: '127.0.0.1', port, stunPort: 0, ntpPort: taken })).rejects.toMatchObject({ code: 'ERR_PORT_IN_USE' })
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it.each([
    ['a wildcard', ['--alternate-host', '127.0.0.2']],
    ['the same address', ['--host', '127.0.0.1', '--alternate-host', '127.0.0.1']],
    ['another family', ['--host', '127.0.0.1', '--alternate-host', '::1']],
  ])('refuses a second address beside %s', async (_beside, args) => {
    const { child, code } = startCli('infra', ...anyPorts, ...args)
    const shown = await text(child.stderr)
    expect(await code).toBe(2)
    expect(shown).toMatch(/^throughline infra: .*--alternate-host.*\(ERR_USAGE\)\n$/)
  })
})

/** Reads until a text comes; rejects when the stream ends without it. */
async function untilSays(stream: Readable, wanted: string): Promise<string> {
  let said = ''
  for await (const chunk of stream) {
    said += String(chunk)
    if (said.includes(wanted)) return said
  }
  throw new Error(`it never said ${wanted}: ${said}`)
}

describe('throughline --help', () => {
  it('is quiet when its reader leaves', async () => {
    const { child, code } = startCli('--help')
    child.stdout.destroy()
    const [shown, exit] = await Promise.all([text(child.stderr), code])
    expect(shown).toBe('')
    expect(exit).toBe(0)
  })
})
