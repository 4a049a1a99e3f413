// What the picture of a sound is made of: columns of equal time, each with its envelope and its mel bands.

import FFT from 'fft.js'

export const BANDS = 64
const SIZE = 2048 // samples of a spectrum
const FLOOR_DB = -120
const RANGE_DB = 120

/** Columns side by side: low, high (column,) and bands (column, band), 0..255 for -120..0 dB of full scale. */
export interface Columns {
  n: number
  low: Float32Array
  high: Float32Array
  bands: Uint8Array
}

/** Makes columns of `samples` samples each out of blocks of mono sound. */
export class Picture {
  private readonly fft = new FFT(SIZE)
  private readonly window = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE))
  private readonly spectrum = this.fft.createComplexArray()
  private readonly frame = new Float32Array(SIZE)
  private readonly past = new Float32Array(SIZE) // the newest samples, in a ring
  private readonly edges: Float32Array // of the bands, in bins
  private readonly power = new Float64Array(BANDS)
  private readonly hop: number
  private at = 0 // samples so far
  private frames = 0 // of this column
  private low = Infinity
  private high = -Infinity

  constructor(
    rate: number,
    private readonly samples: number,
  ) {
    this.hop = Math.ceil(samples / Math.ceil(samples / 1024)) // at least one spectrum a column, and few more
    const top = mel(Math.min(rate / 2, 16_000))
    const bottom = mel(40)
    this.edges = Float32Array.from({ length: BANDS + 2 }, (_, i) => (hertz(bottom + ((top - bottom) * i) / (BANDS + 1)) * SIZE) / rate)
  }

  /** The columns that a block completes. */
  feed(block: Float32Array): Columns {
    const most = Math.ceil(block.length / this.samples) + 1
    const columns: Columns = { n: 0, low: new Float32Array(most), high: new Float32Array(most), bands: new Uint8Array(most * BANDS) }
    for (const sample of block) {
      this.past[this.at % SIZE] = sample
      this.at += 1
      if (sample < this.low) this.low = sample
      if (sample > this.high) this.high = sample
      const place = this.at % this.samples
      if (place % this.hop === 0) this.look()
      if (place === 0) this.finish(columns)
    }
    return columns
  }

  /** Adds the spectrum of the newest samples to the column. */
  private look(): void {
    for (let i = 0; i < SIZE; i++) this.frame[i] = this.past[(this.at + i) % SIZE]! * this.window[i]!
    this.fft.realTransform(this.spectrum, this.frame)
    for (let band = 0; band < BANDS; band++) {
      const [from, centre, to] = [this.edges[band]!, this.edges[band + 1]!, this.edges[band + 2]!]
      let sum = 0
      let weights = 0
      for (let bin = Math.floor(from); bin <= Math.ceil(to) && bin < SIZE / 2; bin++) {
        const weight = Math.max(bin <= centre ? (bin - from) / (centre - from) : (to - bin) / (to - centre), 0)
        sum += weight * (this.spectrum[2 * bin]! ** 2 + this.spectrum[2 * bin + 1]! ** 2)
        weights += weight
      }
      if (weights < 0.5) {
        const bin = Math.round(centre) // a band narrower than a bin takes the nearest
        sum = this.spectrum[2 * bin]! ** 2 + this.spectrum[2 * bin + 1]! ** 2
        weights = 1
      }
      this.power[band]! += sum / weights
    }
    this.frames += 1
  }

  private finish(columns: Columns): void {
    if (!this.frames) this.look()
    const n = columns.n++
    columns.low[n] = this.low
    columns.high[n] = this.high
    for (let band = 0; band < BANDS; band++) {
      const level = 10 * Math.log10((this.power[band]! / this.frames) * (16 / SIZE ** 2) + 1e-12) // a full-scale sine is 0 dB
      columns.bands[n * BANDS + band] = Math.round(Math.min(Math.max((level - FLOOR_DB) / RANGE_DB, 0), 1) * 255)
    }
    this.power.fill(0)
    this.frames = 0
    this.low = Infinity
    this.high = -Infinity
  }
}

function mel(hz: number): number {
  return 2595 * Math.log10(1 + hz / 700)
}

function hertz(value: number): number {
  return 700 * (10 ** (value / 2595) - 1)
}
