import { BANDS, type Columns } from './picture'

/** The newest columns of a sound's picture, in arrays of a size that is fixed at the start. */
export class Reel {
  private readonly low: Float32Array
  private readonly high: Float32Array
  private readonly bands: Uint8Array
  private count = 0
  loudest = 0 // of all bands so far, 0..255

  constructor(
    readonly capacity: number,
    readonly columnSeconds: number,
  ) {
    this.low = new Float32Array(capacity)
    this.high = new Float32Array(capacity)
    this.bands = new Uint8Array(capacity * BANDS)
  }

  add(columns: Columns): void {
    for (let i = 0; i < columns.n; i++) {
      const at = this.count % this.capacity
      this.low[at] = columns.low[i]!
      this.high[at] = columns.high[i]!
      const bands = columns.bands.subarray(i * BANDS, (i + 1) * BANDS)
      this.bands.set(bands, at * BANDS)
      for (const value of bands) if (value > this.loudest) this.loudest = value
      this.count += 1
    }
  }

  /** How many there have been; those from `first` on are kept. */
  get length(): number {
    return this.count
  }

  get first(): number {
    return Math.max(0, this.count - this.capacity)
  }

  /** [lowest, highest] sample of a column. */
  envelope(index: number): [number, number] {
    const at = index % this.capacity
    return [this.low[at]!, this.high[at]!]
  }

  /** The bands of a column, lowest first. */
  column(index: number): Uint8Array {
    const at = (index % this.capacity) * BANDS
    return this.bands.subarray(at, at + BANDS)
  }
}
