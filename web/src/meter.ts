import { element, write } from './dom'

const LOWEST = -80
const FALL_DB_A_S = 12 // of the peak mark
const CLIPPING = 1e-3 // share of samples from which it is told

/** The level, its peak of late, and whether it clips. */
export class Meter {
  private readonly track = element('meter')
  private readonly fill = element('meter-fill')
  private readonly mark = element('meter-peak')
  private readonly clip = element('clip-words')
  private peak = LOWEST
  private at = 0

  show(level: number, clipped: number): void {
    const now = performance.now() / 1000
    this.peak = Math.max(level, this.peak - FALL_DB_A_S * (now - this.at))
    this.at = now
    this.fill.style.width = `${share(level)}%`
    this.mark.style.left = `calc(${share(this.peak)}% - 2px)`
    this.track.setAttribute('aria-valuenow', String(Math.round(Math.max(level, LOWEST))))
    write(element('level-words'), level <= -119 ? 'silence' : `${level.toFixed(0).replace('-', '−')} dB of full scale`)
    const clips = clipped >= CLIPPING
    write(this.clip, clips ? `clipping, ${(100 * clipped).toFixed(1)} %` : 'no clipping')
    this.clip.classList.toggle('clipping', clips)
  }

  reset(): void {
    this.peak = LOWEST
    this.show(-120, 0)
    write(element('level-words'), '– dB')
  }
}

function share(level: number): number {
  return 100 * Math.min(Math.max((level - LOWEST) / -LOWEST, 0), 1)
}
