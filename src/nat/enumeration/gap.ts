/** The shorter way round the 16 bits from one port to another, -32,768 to 32,767. */
export const gap = (from: number, to: number): number => ((to - from + 0x18000) & 0xffff) - 0x8000
