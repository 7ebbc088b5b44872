import { expect, vi } from 'vitest'

/** TCP sockets and servers this process holds, by kind. Vitest's own channel is a pipe and does not count. */
const openSockets = (): string[] => process.getActiveResourcesInfo().filter(kind => /^(TCP|TLS)/.test(kind))

/** Waits until every socket is closed: they end within a turn or two of the loop. */
export async function expectNoOpenSockets(): Promise<void> {
  await vi.waitFor(() => expect(openSockets()).toEqual([]), { timeout: 5_000, interval: 5 })
}
