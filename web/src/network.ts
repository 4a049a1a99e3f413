import * as ort from 'onnxruntime-web/wasm'
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import type { Card } from './card'
import { PageError } from './words'

const ALMOST_ONE = 1.001 // a network's own rounding

ort.env.wasm.numThreads = 1 // more would need headers that a static host does not send
ort.env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url).href }
ort.env.logLevel = 'error'

/** A model at work: one window of sound in, the network's own probabilities out, before the card's temperature. */
export class Network {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly card: Card,
    private readonly batch: number, // what a network of fixed batch size takes at once, else 1
  ) {}

  /** Throws PageError when onnxruntime-web cannot open it, or when it is not what its card says. */
  static async open(data: Uint8Array, card: Card): Promise<Network> {
    let session: ort.InferenceSession
    try {
      session = await ort.InferenceSession.create(data, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' })
    } catch (error) {
      throw new PageError(`The model cannot be opened in this browser (${reason(error)}). Try another browser, or export the model again.`)
    }
    const [input] = session.inputMetadata
    if (session.inputNames.join() !== 'waveform' || !session.outputNames.includes('probabilities') || !input?.isTensor)
      throw new PageError("The model's network is not the one that its card describes. Export the model again.")
    const batch = input.shape[0]
    const fixed = typeof batch === 'number' && batch > 1 ? batch : 1
    if (fixed * card.window > 2 ** 23) throw new PageError('The model takes too many windows at once. Export the model again.')
    return new Network(session, card, fixed)
  }

  async probabilities(window: Float32Array): Promise<Float32Array> {
    const filled = new Float32Array(this.batch * window.length)
    for (let row = 0; row < this.batch; row++) filled.set(window, row * window.length)
    const feed = new ort.Tensor('float32', filled, [this.batch, window.length])
    let answer: ort.Tensor | undefined
    try {
      answer = (await this.session.run({ waveform: feed }, ['probabilities']))['probabilities']
    } catch (error) {
      throw new PageError(`The model cannot be run on this sound (${reason(error)}). Export the model again.`)
    }
    const n = this.card.labels.length
    const scores = (answer?.data as Float32Array).slice(0, n)
    answer?.dispose()
    if (answer?.dims.join() !== `${this.batch},${n}` || !scores.every((p) => p >= 0 && p <= ALMOST_ONE))
      throw new PageError(`The model has ${n} labels, and its network gives something else. Export the model again.`)
    return scores
  }

  async close(): Promise<void> {
    await this.session.release()
  }
}

function reason(error: unknown): string {
  return String(error instanceof Error ? error.message : error).slice(0, 200)
}
