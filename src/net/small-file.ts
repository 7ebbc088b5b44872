import { randomBytes } from 'node:crypto'
import { readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'

/** Reads a file of text; undefined where there is none, it is longer than `maxBytes`, or can't be read. Never rejects. */
export async function readSmallFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const found = await stat(path)
    // reading a named pipe would not end
    return found.isFile() && found.size <= maxBytes ? await readFile(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

/** Puts a text in the place of a file, for its owner alone (0600), in one step: whoever reads finds the old one or the new one. Where that can't be done all stays as it is. Never rejects. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(fresh, text, { mode: 0o600, flag: 'wx' })
    await rename(fresh, path)
  } catch {
    await unlink(fresh).catch(() => {})
  }
}
