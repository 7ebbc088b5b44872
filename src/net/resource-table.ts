interface Entry<T> {
  readonly value: T
  readonly dispose: (value: T) => void | Promise<void>
}

/**
 * Holds sockets, links and the like under ids, so that machines carry ids only (docs/architecture.md). An entry belongs to the
 * state whose actor added it: that actor releases it, or somebody takes it over. Bounded by what its users add.
 */
export class ResourceTable<T> {
  readonly #prefix: string
  readonly #entries = new Map<string, Entry<T>>()
  /** Disposals that have not finished; bounded by the entries there were. */
  readonly #disposing = new Set<Promise<void>>()
  #lastNumber = 0

  /** Ids read `prefix-1`, `prefix-2` … and are never used twice by one table. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Entries that are neither taken nor released. */
  get size(): number {
    return this.#entries.size
  }

  /** Stores a value and returns its id; the table owns the value from here on. */
  add(value: T, dispose: (value: T) => void | Promise<void>): string {
    this.#lastNumber += 1
    const id = `${this.#prefix}-${this.#lastNumber}`
    this.#entries.set(id, { value, dispose })
    return id
  }

  /** The value, still owned by the table. */
  get(id: string): T | undefined {
    return this.#entries.get(id)?.value
  }

  /** Removes the entry without disposing of it: the caller owns the value now. */
  take(id: string): T | undefined {
    const entry = this.#entries.get(id)
    this.#entries.delete(id)
    return entry?.value
  }

  /** Removes the entry and disposes of its value; an unknown id is ignored. Never throws. */
  release(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    const disposal = disposed(entry)
    this.#disposing.add(disposal)
    void disposal.then(() => this.#disposing.delete(disposal))
  }

  /** Releases every entry whose value the predicate names. */
  releaseWhere(isMeant: (value: T, id: string) => boolean): void {
    for (const [id, { value }] of [...this.#entries]) if (isMeant(value, id)) this.release(id)
  }

  /** Releases everything; resolves when each disposal, earlier ones included, has finished. Never rejects. */
  async disposeAll(): Promise<void> {
    for (const id of [...this.#entries.keys()]) this.release(id)
    await Promise.all(this.#disposing)
  }
}

/** A resource that fails while it closes is gone all the same; its own stream of failures has told why. */
async function disposed<T>({ value, dispose }: Entry<T>): Promise<void> {
  try {
    await dispose(value)
  } catch {
    // nobody is left who could act on it
  }
}
