import type { Writable } from 'node:stream'

/** What a stream may be able to do when it is a terminal. */
interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  hasColors?(): boolean
}

const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], cyan: [36, 39] } as const
type Colour = keyof typeof codes

/** How text looks on one stream. */
export interface Screen {
  /** Colours the text where the stream has colours: Node looks at NO_COLOR, FORCE_COLOR and TERM. */
  readonly paint: (colour: Colour, text: string) => string
  /** Breaks plain text at blanks to the width of the terminal, later lines indented; as it is where nobody looks at a width. */
  readonly wrap: (text: string, indent: number, used?: number) => string
}

const leastColumns = 20

/** Reads what the stream can do; its width each time, since people resize windows. */
export function screenOf(stream: Writable): Screen {
  const terminal = stream as Writable & Terminal
  const isTerminal = terminal.isTTY === true
  const hasColours = isTerminal && terminal.hasColors?.() === true
  return {
    paint: (colour, text) => (hasColours ? `\u001b[${codes[colour][0]}m${text}\u001b[${codes[colour][1]}m` : text),
    wrap: (text, indent, used = indent) => (isTerminal ? breakLines(text, terminal.columns ?? 80, indent, used) : text),
  }
}

/** `used` columns of the first line are taken already. */
function breakLines(text: string, columns: number, indent: number, used: number): string {
  const width = Math.max(leastColumns, columns - indent)
  const lines: string[] = []
  let line = ''
  let room = Math.max(leastColumns, columns - used)
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = word
      room = width
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`)
}
