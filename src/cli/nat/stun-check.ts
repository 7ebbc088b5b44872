import { defaults } from '../../config/defaults.js'
import { toFailure, type Failure } from '../../errors/index.js'
import type { Transport } from '../../nat/nat-profile.js'
import { openStunUdp } from '../../net/stun-udp-client.js'
import { connectStunTcp } from '../../net/stun-tcp-client.js'
import { resolveStunServer } from '../../net/stun-resolve.js'
import { familyOf, type Endpoint } from '../../protocol/endpoint.js'

/** The round trip to a server, or why there is none. */
export type StunAnswer = { readonly rttMs: number } | { readonly error: Failure }

/** What one named server did when it was asked by each transport. */
export type StunAnswers = { readonly server: string } & Readonly<Record<Transport, StunAnswer>>

interface Ask {
  readonly server: Endpoint
  readonly local: Endpoint
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const { listTimeoutMs, maxMs: askTimeoutMs } = defaults.natProbe
/** Of ours that are asked from. */
const maxAddresses = 2 * defaults.node.maxInterfacesPerFamily

/**
 * Asks every server once by each transport from the given addresses of ours, to tell the dead by name; a server that
 * answers to one of them lives. Not while the network is being measured: each request opens a mapping, which moves the
 * counters of the NAT. Takes at most `natProbe.listTimeoutMs` and `natProbe.maxMs`; never rejects.
 */
export function checkStunServers(servers: readonly string[], locals: readonly string[], signal: AbortSignal): Promise<readonly StunAnswers[]> {
  return Promise.all([...new Set(servers)].map(async server => ({ server, ...(await checkServer(server, locals, signal)) })))
}

async function checkServer(name: string, locals: readonly string[], signal: AbortSignal): Promise<Readonly<Record<Transport, StunAnswer>>> {
  try {
    const found = await resolveStunServer(name, { timeoutMs: listTimeoutMs, signal })
    const asks = locals.slice(0, maxAddresses).flatMap(host => found[familyOf(host)].slice(0, 1).map((server): Ask => ({ server, local: { host, port: 0 }, timeoutMs: askTimeoutMs, signal })))
    const [tcp, udp] = await Promise.all([best(asks.map(askTcp)), best(asks.map(askUdp))])
    return { tcp, udp }
  } catch (error) {
    return { tcp: { error: toFailure(error) }, udp: { error: toFailure(error) } }
  }
}

async function askTcp(ask: Ask): Promise<number> {
  const connection = await connectStunTcp(ask)
  // nothing more is asked; the server's end need not be awaited
  void connection.close()
  return connection.binding.rttMs
}

async function askUdp({ local, ...request }: Ask): Promise<number> {
  const socket = await openStunUdp(local)
  try {
    return (await socket.request(request)).rttMs
  } finally {
    await socket.close()
  }
}

/** The shortest round trip, or the first failure. */
async function best(asked: readonly Promise<number>[]): Promise<StunAnswer> {
  const settled = await Promise.allSettled(asked)
  const times = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
  if (times.length > 0) return { rttMs: Math.min(...times) }
  const failed = settled.find(one => one.status === 'rejected')
  return { error: failed === undefined ? noAddress : toFailure(failed.reason) }
}

const noAddress: Failure = { code: 'ERR_DIAL_UNREACHABLE', message: 'it has no address in a family this machine has' }
