import { networkInterfaces } from 'node:os'
import type { Command } from '../context.js'
import { interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'

/** Everywhere: a broker for one machine only would serve nobody else. It holds no secret; what it passes on is sealed. */
const defaultHost = '0.0.0.0'
/** IANA's port for MQTT. */
const defaultPort = 1883

/** `throughline infra`: a broker until a signal ends it. */
export const infra: Command = async ({ settings, output, signal }) => {
  const { startBroker } = await import('../../net/embedded-broker.js')
  const { host = defaultHost, port = defaultPort, wsPort } = settings
  const broker = await startBroker({ host, port, ...(wsPort === undefined ? {} : { wsPort }) })
  const mqtt = reachable(broker.url)
  const ws = broker.wsUrl === undefined ? [] : reachable(broker.wsUrl)
  output.event('infra', { mqtt, ws })
  output.print('broker ready; give one of these to every node:')
  for (const url of [...mqtt, ...ws]) output.print(`  --mqtt ${url}`)
  await aborted(signal)
  await broker.close()
  return interruptedExit
}

/** A URL of a wildcard address, once for each address of this machine; others as they are. */
function reachable(url: string): readonly string[] {
  const parts = /^([a-z]+:\/\/)(?:0\.0\.0\.0|\[::\])(:.*)$/.exec(url)
  if (parts === null) return [url]
  const [, scheme = '', rest = ''] = parts
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return addresses.filter(one => one.family === 'IPv4').sort((a, b) => Number(a.internal) - Number(b.internal)).map(one => `${scheme}${one.address}${rest}`)
}
