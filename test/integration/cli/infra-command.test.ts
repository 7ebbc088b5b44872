import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { startCli } from './cli-process.js'

describe('throughline infra', () => {
  it('runs a broker until it is interrupted, then frees its ports within a second', async () => {
    const { child, event, code } = startCli('infra', '--host', '127.0.0.1', '--port', '0', '--ws-port', '0', '--json')
    const { mqtt, ws } = (await event('infra')) as { mqtt: string[]; ws: string[] }
    expect(ws[0]).toMatch(/^ws:\/\/127\.0\.0\.1:\d+/)
    const port = Number(new URL(mqtt[0] ?? '').port)
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {}).resume()
    const startedAtMs = performance.now()
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(performance.now() - startedAtMs).toBeLessThan(1_000)
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('says that the port is taken', async () => {
    const first = startCli('infra', '--host', '127.0.0.1', '--port', '0', '--json')
    const { mqtt } = (await first.event('infra')) as { mqtt: string[] }
    const second = startCli('infra', '--host', '127.0.0.1', '--port', new URL(mqtt[0] ?? '').port)
    const [shown, code] = await Promise.all([text(second.child.stderr), second.code])
    expect(code).toBe(1)
    expect(shown).toMatch(/^throughline infra: .*\(ERR_PORT_IN_USE\)\n$/)
  })
})

describe('throughline --help', () => {
  it('is quiet when its reader leaves', async () => {
    const { child, code } = startCli('--help')
    child.stdout.destroy()
    const [shown, exit] = await Promise.all([text(child.stderr), code])
    expect(shown).toBe('')
    expect(exit).toBe(0)
  })
})
