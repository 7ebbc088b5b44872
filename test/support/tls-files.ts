import { execFile, spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Requirement } from './requirements.js'

/** For `describeIf`. */
export const opensslMissing: Requirement = spawnSync('openssl', ['version']).status === 0 ? undefined : 'openssl is not installed (apt-get install openssl)'

/** A self-signed certificate for 127.0.0.1 and localhost, as PEM texts and the files that hold them. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

/** Makes one with the openssl command, valid for a day, in a folder the caller owns. */
export async function makeTlsFiles(folder: string): Promise<TlsFiles> {
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', keyFile, '-out', certFile,
  ])
  return { cert: await readFile(certFile, 'utf8'), key: await readFile(keyFile, 'utf8'), certFile, keyFile }
}
