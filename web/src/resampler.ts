// Sample rate conversion of endless sound: a Kaiser-windowed sinc, its pass band to 0.91 of the lower Nyquist frequency
// and 110 dB of rejection, as soxr's "HQ" has it on the Python side. Browsers offer none for blocks of a microphone.

const PASS = 0.913 // of the lower Nyquist frequency
const REJECTION_DB = 112
const PHASES = 512 // places between two samples at which the filter is known; in between it is interpolated

/** Mono blocks at `from` Hz in, the same sound at `to` Hz out, without a shift in time. */
export class Resampler {
  private readonly half: number // input samples on each side of an output sample
  private readonly table: Float32Array // (phase, tap): the filter at a distance of phase / PHASES + tap input samples
  private readonly step: number
  private kept: Float32Array
  private start: number // the number of the first sample kept; before 0 all is silence
  private made = 0

  constructor(
    private readonly from: number,
    private readonly to: number,
  ) {
    const scale = Math.min(1, to / from) // of the pass band, where the rate falls
    const width = (1 - PASS) * scale // of the transition, in units of the input's Nyquist frequency
    const cutoff = scale * (1 + PASS) * 0.5
    this.half = Math.ceil((REJECTION_DB - 7.95) / (2.285 * Math.PI * width) / 2)
    this.step = from / to
    this.table = new Float32Array((PHASES + 1) * this.half)
    const beta = 0.1102 * (REJECTION_DB - 8.7)
    const whole = besselI0(beta)
    for (let phase = 0; phase <= PHASES; phase++)
      for (let tap = 0; tap < this.half; tap++) {
        const x = phase / PHASES + tap
        const taper = besselI0(beta * Math.sqrt(Math.max(0, 1 - (x / this.half) ** 2))) / whole
        this.table[phase * this.half + tap] = (x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x)) * taper
      }
    this.start = -this.half
    this.kept = new Float32Array(this.half)
  }

  /** What of the sound at the new rate the block completes. */
  feed(block: Float32Array): Float32Array {
    const joined = new Float32Array(this.kept.length + block.length)
    joined.set(this.kept)
    joined.set(block, this.kept.length)
    const end = this.start + joined.length // input samples known
    const n = Math.max(0, Math.ceil(((end - this.half) * this.to) / this.from) - this.made)
    const result = new Float32Array(n)
    for (let i = 0; i < n; i++) result[i] = this.sampleAt(joined, (this.made + i) * this.step)
    this.made += n
    const needed = Math.max(0, Math.floor(this.made * this.step) - this.half - this.start)
    this.kept = joined.slice(needed)
    this.start += Math.min(needed, joined.length)
    return result
  }

  /** The rest of the sound, which ends here: silence follows. */
  flush(): Float32Array {
    return this.feed(new Float32Array(this.half + 1))
  }

  private sampleAt(samples: Float32Array, position: number): number {
    const centre = Math.floor(position)
    const at = centre - this.start // of the sample on the left
    return this.wing(samples, at, -1, position - centre) + this.wing(samples, at + 1, 1, 1 - (position - centre))
  }

  /** The filtered sum of the samples from `at` on, in one direction; the first is `distance` away, 0 to 1. */
  private wing(samples: Float32Array, at: number, direction: number, distance: number): number {
    const { half, table } = this
    const phase = Math.min(Math.floor(distance * PHASES), PHASES - 1)
    const share = distance * PHASES - phase
    const near = phase * half
    const far = near + half
    const taps = Math.min(half, direction < 0 ? at + 1 : samples.length - at)
    let sum = 0
    for (let tap = 0; tap < taps; tap++) {
      const left = table[near + tap]!
      sum += samples[at + direction * tap]! * (left + share * (table[far + tap]! - left))
    }
    return sum
  }
}

/** The modified Bessel function of order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1
  let sum = 1
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2
    sum += term
  }
  return sum
}
