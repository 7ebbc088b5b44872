import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { onTestFinished } from 'vitest'

/** Every process below this one, itself included. */
export function familyOf(root: number): number[] {
  const parents = new Map<number, number>()
  for (const pid of pids()) {
    const stat = statOf(pid)
    if (stat !== undefined) parents.set(pid, stat.parent)
  }
  const family = [root]
  for (const member of family) family.push(...[...parents].filter(([, parent]) => parent === member).map(([pid]) => pid))
  return family
}

/** Those of the pids that still run; a zombie waiting for its parent doesn't. */
export const alive = (candidates: readonly number[]): number[] => candidates.filter(pid => !['Z', 'X', undefined].includes(statOf(pid)?.state))

/**
 * The network namespaces of these processes. Held open until the test ends, since the kernel gives the number of one that is gone to
 * the next, perhaps that of another test's lab.
 */
export function networksOf(members: readonly number[]): string[] {
  const files = members.map(pid => openSync(`/proc/${pid}/ns/net`, 'r'))
  onTestFinished(() => files.forEach(file => closeSync(file)))
  return [...new Set(members.map(networkOf))]
}

export const networkOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`)

/** Processes in any of these network namespaces, whoever their parent is. */
export function inhabitants(namespaces: readonly string[]): number[] {
  return pids().filter(pid => {
    try {
      return namespaces.includes(networkOf(pid))
    } catch {
      return false
    }
  })
}

const pids = (): number[] => readdirSync('/proc').map(Number).filter(Number.isInteger)

function statOf(pid: number): { state: string; parent: number } | undefined {
  try {
    // The command's name, in brackets, may hold anything.
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
    return { state: state as string, parent: Number(parent) }
  } catch {
    return undefined
  }
}
