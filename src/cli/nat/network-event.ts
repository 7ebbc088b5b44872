import type { NetworkSummary } from '../../node/types.js'
import type { BrokerAnswer } from './broker-check.js'

/** The fields of the event `network` (docs/cli.md). Port mappings are empty until a version has them. */
export const networkFields = ({ interfaces, relays, clock, clockError }: NetworkSummary, brokers: readonly BrokerAnswer[]): Record<string, unknown> =>
  ({ interfaces, portMapping: [], brokers, relays, clock, ...(clockError !== undefined && { clockError }) })
