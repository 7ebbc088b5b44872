/**
 * Draws `count` distinct ports of `low` to `high`, each as likely as any other at each place; all of them where there are no more.
 * `random` is uniform in [0, 1), and asked once for each.
 */
export function drawPorts(low: number, high: number, count: number, random: () => number): readonly number[] {
  const size = high - low + 1
  // a shuffle that keeps only the places that changed
  const moved = new Map<number, number>()
  return Array.from({ length: Math.max(0, Math.min(count, size)) }, (_, place) => {
    const other = place + Math.floor(random() * (size - place))
    const drawn = moved.get(other) ?? other
    moved.set(other, moved.get(place) ?? place)
    return low + drawn
  })
}
