import { expect, vi } from 'vitest'

/** Waits until this process holds no UDP socket. */
export async function expectNoUdp(): Promise<void> {
  await vi.waitFor(() => expect(process.getActiveResourcesInfo()).not.toContain('UDPWrap'), { timeout: 5_000, interval: 5 })
}
