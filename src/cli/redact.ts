/**
 * A server as it may appear in a message: user and password are masked. Also masks what follows a second colon when it is
 * no port, which may be a password without its host.
 */
export function redactServer(text: string): string {
  const at = text.lastIndexOf('@')
  const scheme = /^[a-z]+:(?:\/\/)?/i.exec(text)?.[0] ?? ''
  if (at >= 0) return `${scheme}***${text.slice(at)}`
  return text.replace(/^([a-z]+:(?:\/\/)?[^:/]*:)(?!\d+(?:[/?]|$)).*$/i, '$1***')
}
