import { describe, expect, it } from 'vitest'
import type { Open } from '../../../src/protocol/frames.js'
import { newIdentity, type WirePeer } from './channels.js'
import { endOf, startNode } from './nodes.js'
import { wireListener } from './wire-listener.js'

/** A responder that accepts, and tells whom it accepted. */
function accepting(accepted: { peer: WirePeer; open: Open }[], receivedOffset = 0) {
  return async (peer: WirePeer) => {
    const open = await peer.frame('open')
    peer.channel.send({ type: 'accept', epoch: open.epoch, receivedOffset, maxOffset: 65_536 })
    accepted.push({ peer, open })
  }
}

describe('an initiator', () => {
  it('whose OPEN gets no answer opens its next channel with epoch + 1 and the first bytes again', async () => {
    const accepted: { peer: WirePeer; open: Open }[] = []
    const { address } = await wireListener([() => {}, accepting(accepted)])
    const pipe = await (await startNode()).connect(address, { firstBytes: Buffer.from('first ') })
    pipe.end('then')
    const [{ peer, open }] = accepted as [{ peer: WirePeer; open: Open }]
    expect(open).toMatchObject({ epoch: 2, established: false, receivedOffset: 0 })
    await peer.frame('fin')
    expect(peer.received.toString()).toBe('first then')
    peer.channel.send({ type: 'abort', code: 'ERR_BUSY' })
  })

  it('does not send again what the responder already has from the lost channel', async () => {
    const accepted: { peer: WirePeer; open: Open }[] = []
    const { address } = await wireListener([() => {}, accepting(accepted, 6)])
    const pipe = await (await startNode()).connect(address, { firstBytes: Buffer.from('first ') })
    pipe.end('then')
    const [{ peer }] = accepted as [{ peer: WirePeer; open: Open }]
    expect(await peer.frame('fin')).toMatchObject({ offset: 10 })
    expect(pipe.stats).toMatchObject({ bytesOut: 10, acknowledged: 6 })
    peer.channel.send({ type: 'abort', code: 'ERR_BUSY' })
  })

  it('takes the next channel when one dies between OPEN and ACCEPT', async () => {
    const accepted: { peer: WirePeer; open: Open }[] = []
    const dying = async (peer: WirePeer) => {
      await peer.frame('open')
      peer.channel.destroy()
    }
    const { address } = await wireListener([dying, accepting(accepted)])
    const pipe = await (await startNode()).connect(address)
    expect(accepted[0]?.open.epoch).toBe(2)
    pipe.destroy()
  })

  it('gets an error, not a clean end, when the channel dies after ACCEPT', async () => {
    const accepted: { peer: WirePeer; open: Open }[] = []
    const { address } = await wireListener([accepting(accepted)])
    const pipe = await (await startNode()).connect(address)
    accepted[0]?.peer.channel.destroy()
    expect(await endOf(pipe.resume())).toBe('ERR_CONNECTION_LOST')
  })

  it('with two secured channels elects one and ends the other by FIN', async () => {
    const accepted: { peer: WirePeer; open: Open }[] = []
    const channels: WirePeer[] = []
    let bothSecured: () => void = () => {}
    const secured = new Promise<void>(resolve => (bothSecured = resolve))
    const accept = accepting(accepted)
    const handler = async (peer: WirePeer) => {
      if (channels.push(peer) === 2) bothSecured()
      await secured
      await accept(peer)
    }
    const { address } = await wireListener([handler, handler], { together: true })
    const pipe = await (await startNode()).connect(address)
    const loser = channels.find(peer => peer !== accepted[0]?.peer)
    expect(await loser?.ended()).toBe('ended')
    expect(loser?.frames.map(({ type }) => type)).toEqual(['hello'])
    expect(accepted).toHaveLength(1)
    pipe.destroy()
  })

  it('reports the code of a refusal and opens no other channel', async () => {
    const opened: WirePeer[] = []
    const refusing = async (peer: WirePeer) => {
      const { epoch } = await peer.frame('open')
      opened.push(peer)
      peer.channel.send({ type: 'refuse', epoch, code: 'ERR_BUSY' })
    }
    const { address } = await wireListener([refusing, refusing])
    await expect((await startNode()).connect(address)).rejects.toMatchObject({ code: 'ERR_BUSY' })
    expect(opened).toHaveLength(1)
  })

  it('waits longer than a second after PENDING', async () => {
    const { address } = await wireListener([async peer => {
      const { epoch } = await peer.frame('open')
      peer.channel.send({ type: 'pending', epoch })
      setTimeout(() => peer.channel.send({ type: 'accept', epoch, receivedOffset: 0, maxOffset: 65_536 }), 1_300)
    }])
    const pipe = await (await startNode()).connect(address)
    pipe.destroy()
  })

  it('drops a responder that accepts another epoch', async () => {
    const { address } = await wireListener([async peer => {
      await peer.frame('open')
      peer.channel.send({ type: 'accept', epoch: 9, receivedOffset: 0, maxOffset: 65_536 })
    }])
    await expect((await startNode()).connect(address)).rejects.toMatchObject({ code: 'ERR_NO_PATH' })
  })

  it('drops a responder that sends before it accepts', async () => {
    const { address } = await wireListener([async peer => {
      await peer.frame('open')
      peer.channel.send({ type: 'fin', offset: 0 })
    }])
    await expect((await startNode()).connect(address)).rejects.toMatchObject({ code: 'ERR_NO_PATH' })
  })

  it('says so when the endpoint holds another key', async () => {
    const { address } = await wireListener([() => {}], { key: newIdentity(), identity: newIdentity() })
    await expect((await startNode()).connect(address)).rejects.toMatchObject({ code: 'ERR_PEER_KEY_MISMATCH' })
  })
})
