import { createServer, type AddressInfo } from 'node:net'

/**
 * A local port of one of our addresses such that it and the `run - 1` after it were free a moment ago, found by a short
 * listen; somebody else may take it before its user does. Undefined where the address is not ours any more, or where no
 * run is found.
 */
export async function findFreePort(host: string, run = 1): Promise<number | undefined> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const first = await listenOnce(host, 0)
    if (first === undefined) return undefined
    const others = await Promise.all(Array.from({ length: run - 1 }, (_, index) => listenOnce(host, first + 1 + index)))
    if (!others.includes(undefined)) return first
  }
  return undefined
}

/** Neighbours are taken about as often as ports are in use. */
const maxTries = 8

/** The port it could be, 0 for any. */
function listenOnce(host: string, port: number): Promise<number | undefined> {
  return new Promise(resolve => {
    if (port > 65_535) return resolve(undefined)
    const server = createServer()
    server.on('error', () => resolve(undefined))
    server.listen({ host, port, exclusive: true }, () => {
      const { port: found } = server.address() as AddressInfo
      server.close(() => resolve(found))
    })
  })
}
