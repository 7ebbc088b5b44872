import type { InterfaceRecord } from '../../protocol/interface-record.js'
import type { PunchSite, Volley } from './volley.js'

/** Whether the two ends of a volley may as well meet without a punch: on a link, or where one of them has a global address and no filter is known. */
export function mayBeDialled({ scope, host, remoteHost }: Volley, mine: readonly PunchSite[], theirs: readonly InterfaceRecord[]): boolean {
  return scope === 'local' || mine.some(site => site.host === host && isOpen(site.record)) || theirs.some(record => record.external?.host === remoteHost && isOpen(record))
}

const isOpen = ({ local, external, nat }: InterfaceRecord): boolean =>
  local !== undefined && local.host === external?.host && (nat === undefined || nat.filtering === 'none' || nat.filtering === 'endpoint-independent' || nat.filtering === 'unknown')
