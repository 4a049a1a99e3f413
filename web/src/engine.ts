import type { Card } from './card'
import type { Clip, FromWorker, ToWorker } from './messages'
import type { Columns } from './picture'
import type { StreamDecision } from './stream'
import { PageError } from './words'

const MOST_UNDERWAY = 4 // blocks of a file at a time

/** What is told of a sound while it is worked on. */
export interface Listener {
  heard(decisions: StreamDecision[], columns: Columns | null): void
  ended(clip: Clip | null): void
  failed(words: string): void
}

/** The worker, as the page sees it: a model is opened, then sounds go in, one at a time. */
export class Engine {
  private readonly worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  private readonly opening = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  private requests = 0
  private sound = 0
  private listener: Listener | null = null
  private underway = 0
  private wake: (() => void) | null = null

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.answer(data)
    this.worker.onerror = () => this.broken('The part of this page that runs the model could not be loaded. Load the page anew.')
  }

  /** Throws PageError when the network cannot be opened; the one before then stays. */
  open(data: Uint8Array<ArrayBuffer>, card: Card): Promise<void> {
    const request = ++this.requests
    return new Promise((resolve, reject) => {
      this.opening.set(request, { resolve, reject })
      this.say({ kind: 'open', data, card, request })
    })
  }

  /** A new sound; the one before it is let go. */
  begin(rate: number, columnSamples: number, clip: boolean, listener: Listener): void {
    this.sound += 1
    this.listener = listener
    this.underway = 0
    this.wake?.()
    this.say({ kind: 'begin', sound: this.sound, rate, columnSamples, clip })
  }

  /** How many blocks wait for the network. */
  get waiting(): number {
    return this.underway
  }

  /** One block; its channels are the worker's from now on. */
  feed(channels: Float32Array<ArrayBuffer>[]): void {
    this.underway += 1
    const message: ToWorker = { kind: 'feed', sound: this.sound, channels }
    this.worker.postMessage(
      message,
      channels.map((channel) => channel.buffer),
    )
  }

  /** Waits until another block of a file may come. */
  async room(): Promise<void> {
    while (this.underway >= MOST_UNDERWAY && this.listener) await new Promise<void>((resolve) => (this.wake = resolve))
  }

  /** The sound ends here. */
  flush(): void {
    this.say({ kind: 'flush', sound: this.sound })
  }

  private say(message: ToWorker): void {
    this.worker.postMessage(message)
  }

  private answer(message: FromWorker): void {
    if (message.kind === 'opened' || message.kind === 'refused') {
      const asked = this.opening.get(message.request)
      this.opening.delete(message.request)
      if (message.kind === 'opened') asked?.resolve()
      else asked?.reject(new PageError(message.words))
      return
    }
    if (message.sound !== this.sound || !this.listener) return
    const listener = this.listener
    if (message.kind === 'fed') {
      this.underway -= 1
      listener.heard(message.decisions, message.columns)
    } else {
      this.listener = null
      if (message.kind === 'ended') {
        listener.heard(message.decisions, null)
        listener.ended(message.clip)
      } else listener.failed(message.words)
    }
    this.wake?.()
  }

  private broken(words: string): void {
    for (const { reject } of this.opening.values()) reject(new PageError(words))
    this.opening.clear()
    this.listener?.failed(words)
    this.listener = null
    this.wake?.()
  }
}
