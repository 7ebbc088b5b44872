import type { Told } from '../../test/lab/punch-watch.js'
import type { Trial } from './field.js'

/** One line about a trial, three where it failed. */
export function describeTrial({ from, to, early, elapsedMs, openedMs, path, error, verdict }: Trial): string {
  const who = `${from} -> ${to}${early ? ' firstBytes' : ''}:`
  if (path === undefined) return `${who} FAILED after ${elapsedMs.toFixed(0)} ms: ${error?.code} ${error?.message}\n    verdict: ${verdict?.code} ${verdict?.text}\n    advice:  ${verdict?.advice}`
  return `${who} ${elapsedMs.toFixed(1)} ms (pipe after ${openedMs?.toFixed(1)}), ${path.strategy}${path.method === undefined ? '' : ` by ${path.method}`}, ${path.scope}, IPv${path.family}, ${path.local} -> ${path.remote}`
}

/** What both sides did, line by line, in milliseconds after the dial began. */
export function describeTold({ initiator, responder, startedAtMs }: NonNullable<Trial['told']>): string {
  const since = (atMs: number): string => `${atMs >= startedAtMs ? '+' : ''}${(atMs - startedAtMs).toFixed(1)}`.padStart(9)
  const ofSide = (side: string, { steps, candidates }: Told): readonly string[] => [
    ...steps.map(({ atMs, machine, event, state }) => `    ${since(atMs)} ${side} ${machine.padEnd(10)} ${event} -> ${state}`),
    ...candidates.map(({ id, strategy, scope, local, remote, status, error, startedAtMs: began, updatedAtMs, ...more }) => {
      const method = 'method' in more ? ` ${String(more.method)}` : ''
      return `    ${since(began)} to ${since(updatedAtMs).trim()} ${side} candidate ${id} ${strategy}${method} ${scope} ${local || '?'} -> ${remote}: ${status}${error === undefined ? '' : ` ${error.code} ${error.message}`}`
    }),
  ]
  return [...ofSide('I', initiator), ...ofSide('R', responder)].join('\n')
}
