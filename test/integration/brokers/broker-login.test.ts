import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { decodeAddress } from '../../../src/protocol/address.js'
import { connect, newHome, startListener, thisMachine, type Listener } from '../../support/cli.js'
import { expectCode, expectEchoed } from '../../support/expect-outcome.js'
import { mosquittoMissing, startMosquitto, type Mosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'
import { opensslMissing } from '../../support/tls-files.js'

const password = 'correct-horse'
const bySignalling = ['--strategies', 'reverse']

describeIf('a broker with TLS and a password', mosquittoMissing ?? opensslMissing, () => {
  let broker: Mosquitto
  let listener: Listener
  let folder: string
  let trusting: { readonly env: Record<string, string> }
  const withLogin = (word = password): string => broker.url.replace('://', `://tester:${word}@`)

  beforeAll(async () => {
    broker = await startMosquitto({ tls: true, password })
    folder = newHome()
    writeFileSync(join(folder, 'ca.pem'), broker.ca ?? '')
    trusting = { env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } }
    listener = await startListener(thisMachine, { ...trusting, mqtt: [withLogin()] })
  })
  afterAll(async () => {
    await listener?.[Symbol.asyncDispose]()
    await broker?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves who names it with the id', async () => {
    const outcome = await connect(thisMachine, `${listener.id}@${withLogin()}`, { ...trusting, args: bySignalling })
    expectEchoed(outcome)
    expect(outcome.event('connected')).toMatchObject({ peer: listener.id, strategy: 'reverse' })
    expect(JSON.stringify(outcome)).not.toContain(password)
  })

  it('is named in the address without user and password', () => {
    expect(decodeAddress(listener.address).brokers).toEqual([broker.url])
    expect(listener.process.text).not.toContain(password)
  })

  it('refuses a wrong password, which is not repeated', async () => {
    const outcome = await connect(thisMachine, `${listener.id}@${withLogin('wrong-horse')}`, trusting)
    expectCode(outcome, 3)
    expect(outcome.event('failed')).toMatchObject({ code: 'ERR_BROKER_LOGIN', message: expect.stringContaining('127.0.0.1') })
    expect(JSON.stringify(outcome)).not.toContain('wrong-horse')
  })

  it('is not talked to by who does not trust its certificate', async () => {
    const outcome = await connect(thisMachine, `${listener.id}@${withLogin()}`)
    expectCode(outcome, 3)
    expect(outcome.event('failed')).toMatchObject({ code: 'ERR_BROKER_TLS' })
    expect(JSON.stringify(outcome)).not.toContain(password)
  })
})
