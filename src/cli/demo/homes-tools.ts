import { accessSync, constants } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'

/** The programs that make homes, as absolute paths, and the PATH they were found in. */
export interface HomesTools {
  readonly unshare: string
  readonly nsenter: string
  readonly path: string
}

/** With Debian's names of their packages. */
const packages = { unshare: 'util-linux', nsenter: 'util-linux', mount: 'mount', ip: 'iproute2', nft: 'nftables', sh: 'dash', grep: 'grep' } as const

/** Looks for the programs in PATH; `missing` says what is not there. */
export function findHomesTools(): HomesTools | { readonly missing: string } {
  if (process.platform !== 'linux') return { missing: `it takes the network namespaces of Linux, and this is ${process.platform}` }
  const folders = searchPath(process.env['PATH'] ?? '')
  const found = Object.entries(packages).map(([name, debianPackage]) => ({ name, debianPackage, file: locate(name, folders) }))
  const absent = found.find(({ file }) => file === undefined)
  if (absent !== undefined) return { missing: `${absent.name} is not installed (Debian: ${absent.debianPackage})` }
  const [unshare = '', nsenter = ''] = found.map(({ file }) => file)
  return { unshare, nsenter, path: folders.join(delimiter) }
}

/** Many users have /usr/bin in their PATH and not /usr/sbin, where `nft` is. */
function searchPath(path: string): string[] {
  const folders = path.split(delimiter).filter(folder => folder !== '')
  const siblings = folders.filter(folder => basename(folder) === 'bin').map(folder => join(dirname(folder), 'sbin'))
  return [...new Set([...folders, ...siblings])]
}

function locate(name: string, folders: readonly string[]): string | undefined {
  return folders.map(folder => join(folder, name)).find(file => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
