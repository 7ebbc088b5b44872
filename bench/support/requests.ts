import type { ChildProcess } from 'node:child_process'

interface Request {
  readonly id: number
  readonly method: string
  readonly params: unknown
}

type Reply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

/** What a side offers, by name. */
export type Methods = Record<string, (params: never) => unknown>

/** In a side process: answers the runner until it is gone. */
export function serveRequests(methods: Methods): void {
  process.on('message', (request: Request) => void answer(request))
  process.on('disconnect', () => process.exit(0))
  const answer = async ({ id, method, params }: Request) => {
    try {
      const value: unknown = await methods[method]?.(params as never)
      process.send?.({ id, value } satisfies Reply)
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Reply)
    }
  }
}

/** In the runner: asks a side. Rejects when it fails, dies, or takes longer than `limitMs`. */
export function createRequester(child: ChildProcess, name: string, limitMs: number): (method: string, params?: unknown) => Promise<unknown> {
  let lastId = 0
  return (method, params) => {
    const id = ++lastId
    return new Promise((resolve, reject) => {
      const settle = (conclude: () => void) => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', onExit).off('error', onError)
        conclude()
      }
      const onMessage = (reply: Reply) => {
        if (reply.id !== id) return
        settle(() => ('error' in reply ? reject(new Error(`${name} ${method}: ${reply.error}`)) : resolve(reply.value)))
      }
      const onExit = (code: number | null) => settle(() => reject(new Error(`${name} ended with ${code} during ${method}`)))
      const onError = (error: Error) => settle(() => reject(error))
      const timer = setTimeout(() => settle(() => reject(new Error(`${name} ${method} took longer than ${limitMs} ms`))), limitMs)
      child.on('message', onMessage).on('exit', onExit).on('error', onError)
      child.send({ id, method, params } satisfies Request, error => error !== null && settle(() => reject(error)))
    })
  }
}
