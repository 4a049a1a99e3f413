// The network's own thread: the page stays smooth while it works.

import type { Card } from './card'
import type { FromWorker, ToWorker } from './messages'
import { Network } from './network'
import { Picture } from './picture'
import { mixed, Stream } from './stream'
import { wordsOf } from './words'

let card: Card | null = null
let network: Network | null = null
let stream: Stream | null = null
let picture: Picture | null = null
let current = -1
let last: Promise<void> = Promise.resolve()

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  last = last.then(() => answer(data)).catch((error) => failed(data, error)) // one after the other
}

async function answer(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'open': {
      const opened = await Network.open(message.data, message.card)
      try {
        await opened.probabilities(noise(message.card.window)) // what fails, fails here; the next one is fast
      } catch (error) {
        await opened.close()
        throw error
      }
      await network?.close()
      network = opened
      card = message.card
      stream = null
      return say({ kind: 'opened', request: message.request })
    }
    case 'begin': {
      if (!card || !network) return
      const open = network
      stream = new Stream(card, message.rate, (window) => open.probabilities(window), message.clip)
      picture = new Picture(message.rate, message.columnSamples)
      current = message.sound
      return
    }
    case 'feed': {
      if (!stream || !picture || !card || message.sound !== current) return
      const [mono, loudest] = mixed(message.channels, card.channels)
      const columns = picture.feed(mono)
      say({ kind: 'fed', sound: current, decisions: await stream.feed(mono, loudest), columns })
      return
    }
    case 'flush': {
      if (!stream || message.sound !== current) return
      const decisions = await stream.flush()
      say({ kind: 'ended', sound: current, decisions, clip: stream.mean() })
      stream = null
    }
  }
}

/** Faint noise, always the same: some networks have no answer to silence. */
function noise(n: number): Float32Array {
  let state = 1
  return Float32Array.from({ length: n }, () => {
    state = (state * 48_271) % 2_147_483_647
    return (state / 2_147_483_647 - 0.5) * 0.02
  })
}

function failed(message: ToWorker, error: unknown): void {
  const words = error instanceof RangeError ? 'The sound holds samples that are no numbers. Make the file anew.' : wordsOf(error)
  if (message.kind === 'open') return say({ kind: 'refused', request: message.request, words })
  stream = null
  say({ kind: 'failed', sound: message.sound, words })
}

function say(message: FromWorker): void {
  self.postMessage(message)
}
