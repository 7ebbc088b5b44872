import { randomBytes } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { importCertificates, importIdentities } from '../support/library.js'

/** A key of its own, for one side. */
export const newSeed = (): Uint8Array => randomBytes(32)

/** What the TLS references are made with: Ed25519 self-signed, TLS 1.3, no tickets; AES-128 is what Throughline prefers. */
export async function tlsOptions(cipher: 'default' | 'aes128'): Promise<SecureContextOptions> {
  const [{ identityFromSeed }, { createCertificate }] = await Promise.all([importIdentities(), importCertificates()])
  return {
    ...createCertificate(identityFromSeed(newSeed())), minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3',
    ...(cipher === 'aes128' && { ciphers: 'TLS_AES_128_GCM_SHA256' }),
  }
}

/** One context for all connections, as any careful user of tls keeps it. */
export const clientContext = async (cipher: 'default' | 'aes128'): Promise<SecureContext> => createSecureContext(await tlsOptions(cipher))
