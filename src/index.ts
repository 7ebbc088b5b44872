export { connectionLogic, type ConnectionLogicInput, type PipeOpened } from './node/connection-logic.js'
export { createNode } from './node/create-node.js'
export { loadIdentity } from './node/load-identity.js'
export { ConnectError, codes, isErrorCode, ThroughlineError, type CodeEntry, type ErrorCode, type Failure } from './errors/index.js'
export { strategyOrder, type AttemptMode, type Strategy } from '../machines/strategies.js'
export type { CandidateRecord, CandidateStatus, Verdict } from '../machines/shared/candidate.types.js'
export type {
  Attempt, AttemptReport, AuthorizeAnswer, AuthorizeRequest, ConnectionState, DialOptions, HandleOptions, Messages, NetworkSummary, Node, NodeOptions, Pipe, PipePath, RepathOptions, MoveReason,
  PipeStats, Scope,
} from './node/types.js'
