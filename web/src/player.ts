import { element, write } from './dom'

/** Plays the opened file, and says where it is. */
export class Player {
  private readonly audio = new Audio()
  private readonly button = element<HTMLButtonElement>('play')
  private address = ''

  constructor(private readonly moved: (seconds: number) => void) {
    this.button.addEventListener('click', () => this.toggle())
    this.audio.addEventListener('play', () => this.follow())
    this.audio.addEventListener('pause', () => write(this.button, 'Play'))
    this.audio.addEventListener('error', () => (this.button.hidden = true))
  }

  open(file: File): void {
    this.close()
    this.address = URL.createObjectURL(file)
    this.audio.src = this.address
    this.button.hidden = false
  }

  close(): void {
    this.audio.pause()
    this.audio.removeAttribute('src')
    this.audio.load()
    if (this.address) URL.revokeObjectURL(this.address)
    this.address = ''
    this.button.hidden = true
  }

  toggle(): void {
    if (!this.address) return
    if (this.audio.paused) void this.audio.play().catch(() => (this.button.hidden = true))
    else this.audio.pause()
  }

  seek(seconds: number): void {
    if (this.address && Number.isFinite(this.audio.duration)) this.audio.currentTime = Math.min(seconds, this.audio.duration)
  }

  private follow(): void {
    write(this.button, 'Pause')
    const step = () => {
      if (this.audio.paused) return
      this.moved(this.audio.currentTime)
      requestAnimationFrame(step)
    }
    step()
  }
}
