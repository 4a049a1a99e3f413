import type { Card } from './card'
import { clock, element, made, shown, write } from './dom'
import type { History } from './history'
import { drawProbabilities, drawWaveform, Spectrogram, type Span } from './lanes'
import { onTheme, palette } from './palette'
import type { Reel } from './reel'
import { SILENCE, UNKNOWN } from './stream'

const MOST_CLASSES = 14

/** The lanes over time, the list of classes beside them, and the cursor that reads them. */
export class Timeline {
  private readonly over = element('over')
  private readonly mark = element('cursor')
  private readonly list = element('classes')
  private readonly probabilities = element<HTMLCanvasElement>('probabilities')
  private readonly waveform = element<HTMLCanvasElement>('waveform')
  private readonly spectrogram = new Spectrogram(element<HTMLCanvasElement>('spectrogram'))
  private card: Card | null = null
  private reel: Reel | null = null
  private history: History | null = null
  private rows: number[] = []
  private span: Span = { from: 0, to: 10 }
  private cursor: number | null = null // seconds
  private mean: Float32Array | null = null
  private colours = palette()
  private asked = false

  /** `sought` is told where the user points to; `toggled` that they ask to play or stop. */
  constructor(
    private readonly sought: (seconds: number) => void,
    toggled: () => void,
  ) {
    onTheme(() => {
      this.colours = palette()
      this.spectrogram.repaint()
      this.draw()
    })
    new ResizeObserver(() => this.draw()).observe(this.over)
    this.over.addEventListener('pointerdown', (event) => this.seek(this.secondsAt(event)))
    this.over.addEventListener('pointermove', (event) => {
      if (event.buttons) this.seek(this.secondsAt(event))
    })
    this.over.addEventListener('keydown', (event) => this.key(event, toggled))
  }

  /** Another model: its classes are the rows. */
  setModel(card: Card): void {
    this.card = card
    element('spectrogram-range').textContent = `40 Hz to ${Math.min(card.rate / 2000, 16)} kHz`
    this.setSound(null, null, 10)
  }

  /** Another sound, `seconds` of which are shown; those of a microphone grow and roll on. */
  setSound(reel: Reel | null, history: History | null, seconds: number): void {
    this.reel = reel
    this.history = history
    this.span = { from: 0, to: seconds }
    this.cursor = null
    this.mean = null
    this.arrange()
    this.draw()
  }

  /** The scores beside the classes when nothing is pointed at; null: those of the newest window. */
  setMean(scores: Float32Array | null): void {
    this.mean = scores
    this.draw()
  }

  /** The shown time rolls so that it ends at `now`. */
  roll(now: number): void {
    const length = this.span.to - this.span.from
    this.span = { from: Math.max(0, now - length), to: Math.max(length, now) }
    this.draw()
  }

  /** Shows a place in time, or none. */
  point(seconds: number | null): void {
    this.cursor = seconds
    this.mark.hidden = seconds === null
    if (seconds !== null) this.mark.style.left = `${100 * this.place(seconds)}%`
    this.values()
  }

  /** New decisions came. */
  decided(): void {
    this.arrange()
    this.draw()
  }

  /** Draws all lanes at the next frame. */
  draw(): void {
    if (this.asked) return
    this.asked = true
    requestAnimationFrame(() => {
      this.asked = false
      drawWaveform(this.waveform, this.reel, this.span, this.colours)
      this.spectrogram.draw(this.reel, this.span, this.colours)
      drawProbabilities(this.probabilities, this.history, this.rows, this.span, this.colours)
      this.axis()
      this.point(this.cursor)
    })
  }

  private place(seconds: number): number {
    return Math.min(Math.max((seconds - this.span.from) / (this.span.to - this.span.from), 0), 1)
  }

  private secondsAt(event: PointerEvent): number {
    const box = this.over.getBoundingClientRect()
    return this.span.from + ((event.clientX - box.left) / box.width) * (this.span.to - this.span.from)
  }

  private seek(seconds: number): void {
    if (!this.history) return
    this.point(Math.min(Math.max(seconds, this.span.from), this.span.to))
    this.sought(this.cursor!)
  }

  private key(event: KeyboardEvent, toggled: () => void): void {
    if (!this.card || !this.history) return
    const hop = this.card.hop / this.card.rate
    const now = this.cursor ?? this.span.from
    const next: Record<string, number> = {
      ArrowLeft: now - hop,
      ArrowDown: now - hop,
      ArrowRight: now + hop,
      ArrowUp: now + hop,
      Home: this.span.from,
      End: this.span.to,
    }
    if (event.key in next) this.seek(next[event.key]!)
    else if (event.key === ' ') toggled()
    else if (event.key === 'Escape') this.point(null)
    else return
    event.preventDefault()
  }

  /** Which classes have a row: all, or the likeliest where there are many; and one for unknown where there is a threshold. */
  private arrange(): void {
    if (!this.card) return
    const all = this.card.labels.map((_, i) => i)
    const chosen = all.length > MOST_CLASSES ? this.likeliest(all) : all
    const rows = this.card.unknownBelow > 0 ? [...chosen, UNKNOWN] : chosen
    if (rows.join() === this.rows.join() && this.list.children.length === rows.length && this.named === this.card) return
    this.rows = rows
    this.named = this.card
    this.list.replaceChildren(
      ...rows.map((kind) => {
        const item = document.createElement('li')
        const name = kind === UNKNOWN ? 'unknown' : shown(this.card!.labels[kind]!)
        const label = made('span', name)
        label.title = name
        item.append(label, made('span', ''))
        item.className = kind === UNKNOWN ? 'threshold' : ''
        return item
      }),
    )
    this.probabilities.style.height = `calc(${rows.length} * var(--row))`
    const hidden = all.length - chosen.length
    element('more').hidden = !hidden
    element('more').textContent = `${hidden} more classes, less likely, have no row; the CSV holds all.`
  }

  private named: Card | null = null

  private likeliest(all: number[]): number[] {
    const sums = new Float64Array(all.length)
    const history = this.history
    if (history)
      for (let i = Math.max(history.first, history.length - 600); i < history.length; i++)
        history.at(i).scores.forEach((score, kind) => (sums[kind]! += score))
    return all.toSorted((a, b) => sums[b]! - sums[a]! || a - b).slice(0, MOST_CLASSES)
  }

  /** The numbers beside the classes, and what a screen reader says of the place. */
  private values(): void {
    const { history, card } = this
    if (!card) return
    const index = !history?.length ? -1 : this.cursor === null ? history.length - 1 : history.find(this.cursor)
    const decision = index >= 0 ? history!.at(index) : null
    const scores = this.cursor === null && this.mean ? this.mean : decision && decision.label !== SILENCE ? decision.scores : null
    const best = scores ? this.rows.filter((kind) => kind >= 0).reduce((a, b) => (scores[b]! > scores[a]! ? b : a)) : null
    this.rows.forEach((kind, row) => {
      const item = this.list.children[row] as HTMLElement
      write(item.lastElementChild as HTMLElement, scores && kind >= 0 ? scores[kind]!.toFixed(2) : '')
      item.classList.toggle('best', kind === best)
    })
    const at = this.cursor ?? this.span.to
    const label = !decision ? 'no sound yet' : decision.label === SILENCE ? 'silence' : decision.label === UNKNOWN ? 'unknown' : shown(card.labels[decision.label]!)
    this.over.setAttribute('aria-valuemin', this.span.from.toFixed(1))
    this.over.setAttribute('aria-valuemax', this.span.to.toFixed(1))
    this.over.setAttribute('aria-valuenow', at.toFixed(1))
    this.over.setAttribute('aria-valuetext', decision ? `${clock(at, 1)}: ${label}, ${decision.score.toFixed(2)}` : label)
  }

  private axis(): void {
    const length = this.span.to - this.span.from
    const wanted = Math.max(2, this.over.clientWidth / 90)
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200].find((s) => length / s <= wanted) ?? 3600
    const marks: HTMLElement[] = []
    for (let t = Math.ceil(this.span.from / step) * step; t <= this.span.to + 1e-6; t += step) {
      const mark = made('span', clock(t, step < 1 ? 1 : 0), this.place(t) > 0.985 ? 'last' : '')
      mark.style.left = `${100 * this.place(t)}%`
      marks.push(mark)
    }
    element('axis').replaceChildren(...marks)
  }
}
