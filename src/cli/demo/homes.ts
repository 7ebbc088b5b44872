import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ThroughlineError } from '../../errors/index.js'
import { HomesAnchor } from './homes-anchor.js'
import { internet } from './homes-script.js'
import { findHomesTools, type HomesTools } from './homes-tools.js'
import type { OpenPlace, Place } from './place.js'

/** This machine makes no homes for us; the message says why. */
export class NoHomes extends Error {}

/** Built or not, the file is beside this one and has its ending. */
const services = [process.execPath, ...process.execArgv, fileURLToPath(new URL(`./internet.process${extname(import.meta.url)}`, import.meta.url))]

/**
 * Makes two homes behind NATs of the kernel, and an internet with a broker and STUN between them: network namespaces that end
 * with this process. Rejects with NoHomes where this machine cannot, with ERR_INTERNAL when the services do not start, or with
 * the signal's reason.
 */
export const openHomes: OpenPlace = async ({ folder, signal }) => {
  const tools = findHomesTools()
  if ('missing' in tools) throw new NoHomes(tools.missing)
  const complaints = new Set<string>()
  // A root without CAP_SYS_ADMIN, as in many containers, may still be allowed a user namespace.
  for (const isRootless of process.getuid?.() === 0 ? [false, true] : [true]) {
    const anchor = new HomesAnchor({ tools, isRootless, folder, services, signal })
    const isBuilt = await anchor.isBuilt
    if (isBuilt && (await anchor.isReady)) return placeOf(anchor, tools, isRootless)
    await anchor.close()
    signal.throwIfAborted()
    if (isBuilt) throw new ThroughlineError('ERR_INTERNAL', `broker and STUN did not start in their namespace: ${anchor.complaint}`)
    complaints.add(anchor.complaint)
  }
  throw new NoHomes(`making NATs in network namespaces failed (${[...complaints].join('; ')})`)
}

function placeOf(anchor: HomesAnchor, { nsenter }: HomesTools, isRootless: boolean): Place {
  const { hosts: [host], brokerPort, stunPort } = internet
  const asRoot = isRootless ? [`--user=/proc/${anchor.pid}/ns/user`, '--preserve-credentials'] : []
  return {
    title: 'Two homes', text: 'each behind a NAT of this machine’s kernel, and an internet between them',
    broker: `mqtt://${host}:${brokerPort}`,
    stun: [`${host}:${stunPort}`],
    facts: [['internet', `broker and STUN at ${host}, in a network namespace`]],
    prefix: role => [nsenter, ...asRoot, `--net=/proc/${anchor.pid}/root/run/netns/host-${role}`, '--'],
    close: () => anchor.close(),
  }
}
