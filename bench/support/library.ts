import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type * as Library from '../../src/index.js'
import type * as Certificates from '../../src/protocol/certificate.js'
import type * as Identities from '../../src/protocol/identity.js'

const dist = new URL('../../dist/', import.meta.url)

/** The built library, as an application imports it: what ships is measured, not what tsx makes of the sources. */
export const libraryUrl = new URL('src/index.js', dist).href

/** Path of the built command. */
export const commandPath = fileURLToPath(new URL('src/cli/main.js', dist))

export const importLibrary = () => import(libraryUrl) as Promise<typeof Library>
export const importIdentities = () => import(new URL('src/protocol/identity.js', dist).href) as Promise<typeof Identities>
export const importCertificates = () => import(new URL('src/protocol/certificate.js', dist).href) as Promise<typeof Certificates>

/** Throws when there is no build. */
export function requireBuild(): void {
  if (!existsSync(commandPath)) throw new Error(`${commandPath} is missing: npm run build`)
}
