export { ConnectError } from './connect-error.js'
export { codes, isErrorCode, type CodeEntry, type ErrorCode } from './codes.js'
export { ThroughlineError, toFailure, type Failure } from './throughline-error.js'
