import type { Command } from '../context.js'

/** `throughline identity`: the id, and where its key is; makes the key on first use. */
export const identity: Command = async ({ settings, output }) => {
  const { loadIdentity } = await import('../../index.js')
  const { id, file } = await loadIdentity(settings.identity)
  output.event('identity', { id, file })
  output.print(id)
  output.print(file)
  return 0
}
