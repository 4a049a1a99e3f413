// Runs on the sound card's own thread: hands the microphone's samples on, as they came, in blocks of a tenth of a second.

declare const sampleRate: number
declare function registerProcessor(name: string, processor: unknown): void
declare class AudioWorkletProcessor {
  readonly port: MessagePort
}

class Capture extends AudioWorkletProcessor {
  private readonly size = Math.ceil(sampleRate / 10)
  private blocks: Float32Array<ArrayBuffer>[] = []
  private at = 0

  process([input]: Float32Array[][]): boolean {
    if (!input?.length) return this.at > 0 || this.blocks.length === 0 // over, once it is disconnected
    const channels = input.slice(0, 2)
    if (channels.length !== this.blocks.length) this.begin(channels.length)
    for (let from = 0; from < channels[0]!.length; ) {
      const n = Math.min(channels[0]!.length - from, this.size - this.at)
      channels.forEach((channel, i) => this.blocks[i]!.set(channel.subarray(from, from + n), this.at))
      from += n
      this.at += n
      if (this.at === this.size) {
        this.port.postMessage(
          this.blocks,
          this.blocks.map((block) => block.buffer),
        )
        this.begin(channels.length)
      }
    }
    return true
  }

  private begin(channels: number): void {
    this.blocks = Array.from({ length: channels }, () => new Float32Array(this.size))
    this.at = 0
  }
}

registerProcessor('capture', Capture)

export {}
