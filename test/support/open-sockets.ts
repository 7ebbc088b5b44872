import { expect, vi } from 'vitest'

/** TCP sockets and servers this process holds, by kind. Vitest's own channel is a pipe and does not count. */
export const openSockets = (): number => process.getActiveResourcesInfo().filter(kind => /^(TCP|TLS)/.test(kind)).length

/** Waits until every socket is closed: they end within a turn or two of the loop. */
export async function expectNoOpenSockets(): Promise<void> {
  await vi.waitFor(() => expect(process.getActiveResourcesInfo().filter(kind => /^(TCP|TLS)/.test(kind))).toEqual([]), { timeout: 5_000, interval: 5 })
}
