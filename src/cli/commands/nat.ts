import { firstValueFrom } from 'rxjs'
import { publicServers } from '../../config/public-servers.js'
import { ipScope } from '../../nat/ip-scope.js'
import type { NetworkSummary } from '../../node/types.js'
import type { Command, CommandContext } from '../context.js'
import { screenOf } from '../screen.js'
import { interruptedExit } from '../failure.js'
import { aborted } from '../interrupt.js'
import { checkBrokers } from '../nat/broker-check.js'
import { networkFields } from '../nat/network-event.js'
import { natReport } from '../nat/report.js'
import { checkStunServers } from '../nat/stun-check.js'

/** `throughline nat`: what this network does and what will work. Exit code 0 whatever it learnt. */
export const nat: Command = async context => {
  const over = new AbortController()
  const isInterrupted = aborted(context.signal, over.signal).then(() => true)
  try {
    return (await Promise.race([report(context), isInterrupted])) === true ? interruptedExit : 0
  } finally {
    over.abort()
  }
}

async function report({ settings, output, stdout, signal, openNode }: CommandContext): Promise<void> {
  output.say('measuring; a second or two, longer where servers are silent')
  const node = await openNode({ inbound: false })
  await node.settled({ signal })
  const summary = await firstValueFrom(node.network$)
  const { mqtt = publicServers.mqtt, stun: stunServers = publicServers.stun, ntp: timeServers = publicServers.ntp } = settings
  const [brokers, stun] = await Promise.all([checkBrokers(mqtt, signal), output.isJson ? [] : checkStunServers(stunServers, localsOf(summary), signal)])
  output.event('network', networkFields(summary, brokers))
  for (const line of natReport({ summary, brokers, stun, timeServers }, screenOf(stdout))) output.print(line)
}

const localsOf = ({ interfaces }: NetworkSummary): readonly string[] =>
  interfaces.map(({ local }) => local).filter(local => ipScope(local) !== 'link-local')
