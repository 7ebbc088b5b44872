import { networkInterfaces } from 'node:os'
import { ipScope } from '../../nat/ip-scope.js'
import { formatEndpoint } from '../../protocol/endpoint.js'
import type { Command } from '../context.js'
import { interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'

/** Everywhere: services for one machine only would serve nobody else. They hold no secret; what the broker passes on is sealed. */
const defaultHost = '0.0.0.0'
/** IANA's port for MQTT. */
const defaultPort = 1_883
/** IANA's port for STUN. */
const defaultStunPort = 3_478
/** IANA's port for NTP is 123, which takes root. */
const defaultNtpPort = 1_230

/** `throughline infra`: broker, STUN and time server until a signal ends them. */
export const infra: Command = async ({ settings, output, signal }) => {
  const { startServices } = await import('../infra/services.js')
  const { host = defaultHost, alternateHost, port = defaultPort, wsPort, stunPort = defaultStunPort, ntpPort = defaultNtpPort } = settings
  const services = await startServices({
    host, port, stunPort, ntpPort, ...(alternateHost !== undefined && { alternateHost }), ...(wsPort !== undefined && { wsPort }),
  })
  const hosts = reachable(services.host)
  const at = (servicePort: number | undefined, scheme = '') => (servicePort === undefined ? [] : hosts.map(one => `${scheme}${formatEndpoint({ host: one, port: servicePort })}`))
  const lists = { mqtt: at(services.port, 'mqtt://'), ws: at(services.wsPort, 'ws://'), stun: at(services.stunPort), turn: [], ntp: at(services.ntpPort) }
  output.event('infra', lists)
  output.print('broker, STUN and time server ready; give one of these to every node:')
  for (const index of hosts.keys()) output.print(`  --mqtt ${lists.mqtt[index]} --stun ${lists.stun[index]} --ntp ${lists.ntp[index]}`)
  for (const url of lists.ws) output.print(`  or by WebSocket --mqtt ${url}`)
  if (alternateHost === undefined) output.say('STUN has one address: --alternate-host gives it the second that a full test of a NAT takes')
  output.say('the time is that of this machine; TURN will come with a later version')
  await aborted(signal)
  await services.close()
  return interruptedExit
}

/** What nodes can name: for a wildcard every address of this machine it stands for, loopback last. */
function reachable(host: string): readonly string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host]
  return Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .filter(({ family, address }) => (family === 'IPv4' || host === '::') && ipScope(address) !== 'link-local')
    .sort((a, b) => Number(a.internal) - Number(b.internal))
    .map(({ address }) => address)
}
