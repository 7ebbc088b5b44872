import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of this run alone. Whoever made it removes it. */
export interface Workspace {
  readonly folder: string
  /** At once and for good; never throws. */
  remove(): void
}

/** Makes the folder, readable by this user only. */
export function makeWorkspace(): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'tl-demo-'))
  return {
    folder,
    remove() {
      try {
        rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 })
      } catch {
        // a file of it is open on a platform that minds; the system clears its temp folder
      }
    },
  }
}

/** A file is made and read in pieces of this size. */
export const pieceBytes = 1_024 ** 2

/** Writes `mebibytes` of random bytes; resolves to the digest of what it wrote. Rejects when the folder is gone. */
export async function writeRandomFile(path: string, mebibytes: number, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const file = await open(path, 'wx', 0o600)
  try {
    for (let index = 0; index < mebibytes && !signal.aborted; index++) {
      const piece = randomFillSync(Buffer.allocUnsafe(pieceBytes))
      hash.update(piece)
      await file.writeFile(piece)
    }
  } finally {
    await file.close()
  }
  return hash.digest('hex')
}

/** Size and SHA-256 of a file as it is on the disk. */
export async function digestOf(path: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: pieceBytes }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}
