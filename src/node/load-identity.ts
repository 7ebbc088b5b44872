import { defaultIdentityPath, loadIdentity as load } from '../net/identity-file.js'

/** Reads the key file, or makes it; tells the id it stands for. Rejects with ERR_IDENTITY_*. */
export async function loadIdentity(file: string = defaultIdentityPath()): Promise<{ readonly id: string; readonly file: string }> {
  const { id } = await load(file)
  return { id, file }
}
