// The three pictures over one time axis: waveform, spectrogram, and a row of probabilities for each class.

import type { History } from './history'
import type { Palette } from './palette'
import { BANDS } from './picture'
import type { Reel } from './reel'
import { UNKNOWN } from './stream'

const SHOWN_DB = 75 // from the loudest band down
const UNITS_A_DB = 255 / 120
const CLIPPED = 32_767 / 32_768

/** The part of time that is shown, seconds. */
export interface Span {
  from: number
  to: number
}

/** A canvas at the screen's own resolution; sizes and places are in CSS pixels. */
function surface(canvas: HTMLCanvasElement): { pen: CanvasRenderingContext2D; width: number; height: number } {
  const { clientWidth: width, clientHeight: height } = canvas
  const scale = Math.min(devicePixelRatio || 1, 3)
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
  }
  const pen = canvas.getContext('2d')!
  pen.setTransform(scale, 0, 0, scale, 0, 0)
  pen.clearRect(0, 0, width, height)
  return { pen, width, height }
}

export function drawWaveform(canvas: HTMLCanvasElement, reel: Reel | null, span: Span, colours: Palette): void {
  const { pen, width, height } = surface(canvas)
  const middle = height / 2
  pen.fillStyle = colours.line
  pen.fillRect(0, middle - 0.5, width, 1)
  if (!reel) return
  let peak = 0.02
  for (let i = reel.first; i < reel.length; i++) {
    const [low, high] = reel.envelope(i)
    peak = Math.max(peak, high, -low)
  }
  const scale = (middle - 1) / peak
  const place = (index: number) => ((index * reel.columnSeconds - span.from) / (span.to - span.from)) * width
  const y = (value: number) => middle - value * scale
  pen.beginPath() // one shape: out along the highest samples, back along the lowest
  for (let i = reel.first; i < reel.length; i++) pen.lineTo(place(i + 0.5), Math.min(y(reel.envelope(i)[1]), middle - 0.5))
  for (let i = reel.length - 1; i >= reel.first; i--) pen.lineTo(place(i + 0.5), Math.max(y(reel.envelope(i)[0]), middle + 0.5))
  pen.fillStyle = colours.cool
  pen.fill()
  pen.fillStyle = colours.bad
  for (let i = reel.first; i < reel.length; i++) {
    const [low, high] = reel.envelope(i)
    if (Math.max(high, -low) >= CLIPPED) pen.fillRect(place(i), y(high), Math.max(place(i + 1) - place(i), 1.5), (high - low) * scale)
  }
}

/** The spectrogram keeps its coloured columns on a small canvas of its own: a new one costs a column, not a picture. */
export class Spectrogram {
  private readonly sheet = document.createElement('canvas')
  private painted = 0
  private top = 0
  private reel: Reel | null = null

  constructor(private readonly canvas: HTMLCanvasElement) {}

  /** Colours everything anew at the next `draw`. */
  repaint(): void {
    this.painted = 0
  }

  draw(reel: Reel | null, span: Span, colours: Palette): void {
    const { pen, width, height } = surface(this.canvas)
    if (!reel || !reel.length) return
    if (reel !== this.reel) {
      this.reel = reel
      this.sheet.width = reel.capacity
      this.sheet.height = BANDS
      this.painted = 0
    }
    this.paint(reel, colours)
    const place = (index: number) => ((index * reel.columnSeconds - span.from) / (span.to - span.from)) * width
    pen.imageSmoothingEnabled = true
    pen.imageSmoothingQuality = 'high'
    for (let from = reel.first; from < reel.length; ) {
      const at = from % reel.capacity
      const n = Math.min(reel.length - from, reel.capacity - at) // up to where the ring begins anew
      pen.drawImage(this.sheet, at, 0, n, BANDS, place(from), 0, place(from + n) - place(from), height)
      from += n
    }
  }

  private paint(reel: Reel, colours: Palette): void {
    const top = Math.max(reel.loudest, 120)
    if (Math.abs(top - this.top) > 5) {
      this.top = top
      this.painted = 0
    }
    const pen = this.sheet.getContext('2d')!
    const bottom = this.top - SHOWN_DB * UNITS_A_DB
    const image = pen.createImageData(1, BANDS)
    for (let i = Math.max(this.painted, reel.first); i < reel.length; i++) {
      const bands = reel.column(i)
      for (let band = 0; band < BANDS; band++) {
        const share = (bands[band]! - bottom) / (this.top - bottom)
        const shade = Math.round(Math.min(Math.max(share, 0), 1) * 255) * 4
        image.data.set(colours.sound.subarray(shade, shade + 4), (BANDS - 1 - band) * 4)
      }
      pen.putImageData(image, i % reel.capacity, 0)
    }
    this.painted = reel.length
  }
}

/** A row for each of `rows` (class numbers, or UNKNOWN), a cell for each window: the fuller, the likelier; the decided one whole. */
export function drawProbabilities(
  canvas: HTMLCanvasElement,
  history: History | null,
  rows: number[],
  span: Span,
  colours: Palette,
): void {
  const { pen, width, height } = surface(canvas)
  const tall = height / Math.max(rows.length, 1)
  pen.fillStyle = colours.line
  rows.forEach((_, row) => pen.fillRect(0, Math.round((row + 0.5) * tall), width, 1))
  if (!history || !history.length) return
  const place = (seconds: number) => ((seconds - span.from) / (span.to - span.from)) * width
  const gap = place(history.at(history.first).end) - place(history.at(history.first).start) > 6 ? 1.5 : 0
  for (let i = Math.max(history.first, history.find(span.from)); i < history.length; i++) {
    const { start, end, label, scores } = history.at(i)
    if (start > span.to) break
    const to = i + 1 < history.length ? Math.min(end, history.at(i + 1).start) : end
    const [left, right] = [place(start), place(Math.max(to, start))]
    const wide = Math.max(right - left - gap, 0.75)
    rows.forEach((kind, row) => {
      const decided = kind === label
      const share = kind === UNKNOWN ? Number(decided) : scores[kind]!
      if (share < 0.03) return
      const size = (tall - 5) * (decided ? 1 : 0.22 + 0.78 * Math.sqrt(share))
      pen.globalAlpha = decided ? 1 : 0.18 + 0.6 * share
      pen.fillStyle = kind === UNKNOWN ? colours.soft : colours.accent
      pen.beginPath()
      pen.roundRect(left + gap / 2, row * tall + (tall - size) / 2, wide, size, Math.min(4, size / 2, wide / 2))
      pen.fill()
    })
  }
  pen.globalAlpha = 1
}
