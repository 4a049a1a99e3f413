import type { Card } from './card'
import { Newest } from './newest'
import { Resampler } from './resampler'
import { atTemperature } from './temperature'
import { fillWindow, levelDbfs, range, roundHalfEven, SILENCE_RANGE } from './windows'

export const UNKNOWN = -1
export const SILENCE = -2

const FULL_SCALE = 32_767 / 32_768 // the largest positive sample of 16 bits

/** The scene of one window: `label` is a class number, UNKNOWN below the card's threshold, or SILENCE without scores. */
export interface StreamDecision {
  start: number // seconds
  end: number
  label: number
  score: number
  scores: Float32Array
  level: number // dB of full scale
  clipped: number // share of samples
  ms: number // of the network
}

/** Probabilities of one window, before the card's temperature: it was fitted on means, and comes after them. */
export type Probabilities = (window: Float32Array) => Promise<Float32Array>

/** Blocks of any size in, one decision every hop out: runtime/stream.py, sample for sample. */
export class Stream {
  private readonly sound = new Newest<Float32Array>(new Float32Array(0)) // at the model's rate
  private readonly clipped = new Newest<Uint8Array>(new Uint8Array(0)) // as it came
  private readonly resampler: Resampler | null
  private next = 0 // where the next window starts
  private readonly heard: { scores: Float32Array; level: number }[] = [] // of the windows that hold sound

  constructor(
    private readonly card: Card,
    private readonly rate: number, // of the blocks, Hz
    private readonly probabilities: Probabilities,
    private readonly remembers: boolean, // for a mean at the end: a file has one, a microphone has no end
  ) {
    this.resampler = rate === card.rate ? null : new Resampler(rate, card.rate)
  }

  /** The decisions that a block completes; `loudest` marks the samples of which a channel stood at full scale. */
  async feed(mono: Float32Array, loudest: Uint8Array): Promise<StreamDecision[]> {
    this.clipped.append(loudest)
    this.sound.append(this.resampler ? this.resampler.feed(mono) : mono)
    return this.decided(this.sound.end)
  }

  /** The decisions of the end: a tail gets a window aligned to it, sound shorter than a window is repeated. */
  async flush(): Promise<StreamDecision[]> {
    const came = this.clipped.end
    if (came === 0) return []
    const { window } = this.card
    if (this.resampler) this.sound.append(this.resampler.flush())
    const length = Math.max(1, roundHalfEven((came * this.card.rate) / this.rate))
    this.sound.append(new Float32Array(Math.max(length - this.sound.end, 0)))
    const decisions = await this.decided(length)
    if (length < window) decisions.push(await this.decision(0, fillWindow(this.sound.part(0, length), window)))
    else if (this.next - this.card.hop + window < length && this.card.hop <= window)
      decisions.push(await this.decision(length - window, this.sound.part(length - window, length)))
    return decisions
  }

  /** The mean over the windows that held sound, near the loudest where the card says so; null where none did. */
  mean(): { label: number; score: number; scores: Float32Array; windows: number } | null {
    if (!this.heard.length) return null
    const { quietDb, labels } = this.card
    const least = quietDb ? this.heard.reduce((most, { level }) => Math.max(most, level), -Infinity) - quietDb : -Infinity
    const loud = this.heard.filter(({ level }) => level >= least)
    const sum = new Float64Array(labels.length)
    for (const { scores } of loud) scores.forEach((score, i) => (sum[i]! += score))
    const mean = Float32Array.from(sum, (value) => value / loud.length)
    const scores = atTemperature(mean, this.card.temperature)
    const best = argmax(scores)
    const score = scores[best]!
    return { label: score >= this.card.unknownBelow ? best : UNKNOWN, score, scores, windows: loud.length }
  }

  private async decided(end: number): Promise<StreamDecision[]> {
    const { window, hop } = this.card
    const decisions = []
    while (this.next + window <= end) {
      decisions.push(await this.decision(this.next, this.sound.part(this.next, this.next + window)))
      this.next += hop
    }
    // The last window of all is aligned to the end: nothing before it, or before the next one, is needed.
    const needed = Math.min(this.next, Math.max(end - window, 0))
    this.sound.forget(needed)
    this.clipped.forget(this.came(needed))
    return decisions
  }

  /** Which sample of what came stands where `sample` does at the model's rate. */
  private came(sample: number): number {
    return Math.floor((sample * this.rate) / this.card.rate)
  }

  private async decision(start: number, window: Float32Array): Promise<StreamDecision> {
    const { rate, labels, unknownBelow } = this.card
    const from = this.came(start)
    const to = Math.min(this.came(start + this.card.window), this.clipped.end)
    const result: StreamDecision = {
      start: start / rate,
      end: Math.min((start + this.card.window) / rate, this.clipped.end / this.rate),
      label: SILENCE,
      score: 0,
      scores: new Float32Array(labels.length),
      level: levelDbfs(window),
      clipped: this.clipped.part(from, to).reduce((sum, flag) => sum + flag, 0) / Math.max(1, to - from),
      ms: 0,
    }
    if (range(window) > SILENCE_RANGE) {
      const began = performance.now()
      const raw = await this.probabilities(window)
      result.ms = performance.now() - began
      if (this.remembers) this.heard.push({ scores: raw, level: result.level })
      result.scores = atTemperature(raw, this.card.temperature)
      const best = argmax(result.scores)
      result.score = result.scores[best]!
      result.label = result.score >= unknownBelow ? best : UNKNOWN
    }
    return result
  }
}

/** One channel of one or two, as the card says, and where any of them stood at full scale. Throws RangeError for no number. */
export function mixed(channels: Float32Array[], how: 'mean' | 'first'): [Float32Array, Uint8Array] {
  const [first, second] = channels as [Float32Array, Float32Array?]
  const mono = new Float32Array(first.length)
  const loudest = new Uint8Array(first.length)
  for (let i = 0; i < first.length; i++) {
    const a = first[i]!
    const b = second ? second[i]! : a
    mono[i] = second && how === 'mean' ? Math.fround(a + b) * 0.5 : a
    if (Math.abs(a) >= FULL_SCALE || Math.abs(b) >= FULL_SCALE) loudest[i] = 1
    if (!Number.isFinite(a) || !Number.isFinite(b)) throw new RangeError('no number')
  }
  return [mono, loudest]
}

function argmax(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}
