import { defaultIdentityPath, loadIdentity as load } from './net/identity-file.js'

export { createNode } from './node/create-node.js'
export { ConnectError, codes, isErrorCode, ThroughlineError, type CodeEntry, type ErrorCode, type Failure } from './errors/index.js'
export { strategyOrder, type AttemptMode, type Strategy } from '../machines/strategies.js'
export type { CandidateRecord, CandidateStatus, Verdict } from '../machines/shared/candidate.types.js'
export type {
  Attempt, AttemptReport, AuthorizeAnswer, AuthorizeRequest, ConnectionState, DialOptions, HandleOptions, Messages, NetworkSummary, Node, NodeOptions, Pipe, PipePath,
  PipeStats, Scope,
} from './node/types.js'

/** Reads the key file, or makes it; tells the id it stands for. Rejects with ERR_IDENTITY_*. */
export async function loadIdentity(file: string = defaultIdentityPath()): Promise<{ readonly id: string; readonly file: string }> {
  const { id } = await load(file)
  return { id, file }
}
