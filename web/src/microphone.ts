import worklet from './capture.worklet.ts?worker&url'
import { PageError } from './words'

type Block = Float32Array<ArrayBuffer>[]

/** Sound's own thread, made ready while the page loads, so that nothing is asked for later; null where there is none. */
let ready: Promise<AudioContext> | null = null

export function prepare(): void {
  if (!('AudioWorkletNode' in globalThis)) return // also where the page came by plain http
  const context = new AudioContext()
  void context.suspend()
  ready = context.audioWorklet.addModule(worklet).then(() => context)
  ready.catch(() => (ready = null))
}

/** A microphone at its own rate, without what browsers do to voices; blocks of a tenth of a second, one or two channels. */
export class Microphone {
  private constructor(
    readonly name: string,
    readonly rate: number,
    private readonly context: AudioContext,
    private readonly media: MediaStream,
    private readonly nodes: AudioNode[],
  ) {}

  /** Throws PageError when there is none, or when it may not be used. `lost` is called when it is unplugged. */
  static async open(heard: (block: Block) => void, lost: () => void): Promise<Microphone> {
    if (!navigator.mediaDevices?.getUserMedia || !ready)
      throw new PageError(
        window.isSecureContext
          ? 'This browser offers no microphone to pages. Use a current Firefox, Chrome, Edge or Safari, or open a sound file.'
          : 'Browsers give a microphone only to pages that come by https or from this machine. Open the page that way, or open a sound file.',
      )
    const media = await granted()
    try {
      const context = await ready
      const source = context.createMediaStreamSource(media)
      const capture = new AudioWorkletNode(context, 'capture', { numberOfOutputs: 0 })
      capture.port.onmessage = ({ data }: MessageEvent<Block>) => heard(data)
      source.connect(capture)
      await context.resume()
      const track = media.getAudioTracks()[0]
      track?.addEventListener('ended', lost)
      return new Microphone(track?.label || 'microphone', context.sampleRate, context, media, [source, capture])
    } catch (error) {
      stop(media)
      throw new PageError(`The microphone could not be started (${String(error).slice(0, 120)}). Close other programs that use it and try again.`)
    }
  }

  close(): void {
    stop(this.media)
    this.nodes.forEach((node) => node.disconnect())
    void this.context.suspend()
  }
}

function stop(media: MediaStream): void {
  media.getTracks().forEach((track) => track.stop())
}

async function granted(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    })
  } catch (error) {
    const name = error instanceof DOMException ? error.name : ''
    if (name === 'NotAllowedError' || name === 'SecurityError')
      throw new PageError(
        'The microphone is not allowed for this page. Allow it beside the address bar, or in the system’s privacy settings, and press Listen again.',
      )
    if (name === 'NotFoundError' || name === 'OverconstrainedError')
      throw new PageError('No microphone was found. Connect one and press Listen again, or open a sound file.')
    if (name === 'NotReadableError' || name === 'AbortError')
      throw new PageError('The microphone is there but cannot be read. Close other programs that use it and press Listen again.')
    throw new PageError(`The microphone cannot be used (${String(error).slice(0, 120)}). Open a sound file instead.`)
  }
}
