import { defaults } from '../../config/defaults.js'
import { decodeMessage, statedLength, stunSizes, transactionKey, type StunMessage } from '../../protocol/stun/message.js'
import { bounded } from '../bounded.js'
import type { Socket } from '../dial-socket.js'
import { relayError, relayTimeout } from './turn-errors.js'
import type { TurnLimits } from './types.js'

/**
 * Sends one request and reads its reply and no byte more: what came behind it is pushed back, and nothing of ours listens any more, so
 * that the socket can be handed over. Rejects with ERR_RELAY_TIMEOUT, _LOST, _BAD_REPLY or ERR_CANCELLED; the socket is the caller's.
 */
export function askOnSocket(socket: Socket, request: Buffer, name: string, { timeoutMs, signal }: TurnLimits): Promise<StunMessage> {
  return bounded<StunMessage>({ signal, timeoutMs, what: `the request to ${name}`, onTimeout: () => relayTimeout(name, timeoutMs) }, ({ resolve, reject }) => {
    let received = Buffer.alloc(0)
    const onReadable = () => {
      for (let chunk = readFrom(socket); chunk !== null; chunk = readFrom(socket)) received = Buffer.concat([received, chunk])
      try {
        const end = received.length < stunSizes.typeAndLength ? Infinity : statedLength(received, defaults.stun.maxMessageBytes)
        if (received.length < end) return
        const message = decodeMessage(received.subarray(0, end))
        if (transactionKey(message.bytes) !== transactionKey(request)) throw new Error('of another transaction')
        if (received.length > end) socket.unshift(received.subarray(end))
        resolve(message)
      } catch (error) {
        reject(relayError('ERR_RELAY_BAD_REPLY', name, 'its reply is malformed', error))
      }
    }
    const onEnd = () => reject(relayError('ERR_RELAY_LOST', name, 'the connection ended'))
    const onError = (error: Error) => reject(relayError('ERR_RELAY_LOST', name, `the connection broke: ${error.message}`, error))
    // not 'data': a socket that flows would lose what comes until its next owner listens
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError)
    if (!socket.writable) return onEnd(), () => {}
    socket.write(request)
    return () => void socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError)
  })
}

const readFrom = (socket: Socket): Buffer | null => socket.read() as Buffer | null
