import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { decodePeerId } from '../../../src/protocol/peer-id.js'
import { nodeTopic } from '../../../src/protocol/topic.js'
import { Cli, connect, startListener, thisMachine } from '../../support/cli.js'
import { expectEchoed } from '../../support/expect-outcome.js'
import { mosquittoMissing, startMosquitto } from '../../support/mosquitto.js'
import { describeIf } from '../../support/requirements.js'

describeIf('a broker that restarts', mosquittoMissing, () => {
  it('finds its nodes again, and they are reachable by id', async () => {
    const first = await startMosquitto()
    const mqtt = [first.url]
    await using listener = await startListener(thisMachine, { mqtt })
    await first.kill()
    const second = await startMosquitto({ port: first.port })
    try {
      await second.logged(new RegExp(`SUBSCRIBE[^]*${nodeTopic(decodePeerId(listener.id))}`))
      const outcome = await connect(thisMachine, listener.id, { mqtt, args: ['--strategies', 'reverse'] })
      expectEchoed(outcome)
    } finally {
      await second.close()
      await first.close()
    }
  })

  it('leaves open pipes alone', async () => {
    const broker = await startMosquitto()
    await using listener = await startListener(thisMachine, { mqtt: [broker.url] })
    try {
      await using command = new Cli(thisMachine, ['connect', listener.address], 'stderr', { mqtt: [broker.url] })
      await command.event('connected')
      await broker.kill()
      const echoed = text(command.child.stdout!)
      command.child.stdin?.end('written after the broker died')
      expect(await command.exit()).toBe(0)
      expect(await echoed).toBe('written after the broker died')
    } finally {
      await broker.close()
    }
  })
})
