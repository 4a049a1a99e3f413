import type { StreamDecision } from './stream'

const MOST_VALUES = 2_000_000 // 8 MB of scores: a day of seconds for twenty classes
const MOST_ROWS = 100_000

/** The newest decisions of a sound, in arrays of a size that is fixed at the start. */
export class History {
  readonly capacity: number
  private readonly scores: Float32Array
  private readonly facts: Float64Array // start, end, label, score, level, clipped
  private count = 0

  constructor(readonly classes: number) {
    this.capacity = Math.max(256, Math.min(MOST_ROWS, Math.floor(MOST_VALUES / classes)))
    this.scores = new Float32Array(this.capacity * classes)
    this.facts = new Float64Array(this.capacity * 6)
  }

  add(decision: StreamDecision): void {
    const row = this.count % this.capacity
    this.scores.set(decision.scores, row * this.classes)
    this.facts.set([decision.start, decision.end, decision.label, decision.score, decision.level, decision.clipped], row * 6)
    this.count += 1
  }

  /** How many there have been; those from `first` on are kept. */
  get length(): number {
    return this.count
  }

  get first(): number {
    return Math.max(0, this.count - this.capacity)
  }

  at(index: number): StreamDecision {
    const row = index % this.capacity
    const [start, end, label, score, level, clipped] = this.facts.subarray(row * 6, row * 6 + 6)
    return {
      start: start!,
      end: end!,
      label: label!,
      score: score!,
      level: level!,
      clipped: clipped!,
      scores: this.scores.subarray(row * this.classes, (row + 1) * this.classes),
      ms: 0,
    }
  }

  /** The newest decision that begins at or before `seconds`; -1 if there is none. */
  find(seconds: number): number {
    let low = this.first
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      if (this.at(middle).start <= seconds + 1e-9) low = middle + 1
      else high = middle - 1
    }
    return low - 1 >= this.first ? low - 1 : -1
  }
}
