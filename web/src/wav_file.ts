// Uncompressed wav, read by ourselves: browsers scale 16 bits in ways of their own and resample what is not at the rate
// they are asked for. So the samples are those of the Python runtime, and a long file is never whole in memory.

import type { Sound } from './sound_file'
import { PageError } from './words'

const PCM = 1
const FLOAT = 3
const EXTENSIBLE = 0xfffe
const MOST_CHUNKS = 1000

/** The sound of a wav file at its own rate; null for what is no wav that this reads. Throws PageError. */
export async function readWav(file: File): Promise<Sound | null> {
  const head = await view(file, 0, 12)
  if (head.byteLength < 12 || text(head, 0) !== 'RIFF' || text(head, 8) !== 'WAVE') return null
  let format: DataView | null = null
  let at = 12
  for (let i = 0; i < MOST_CHUNKS && at + 8 <= file.size; i++) {
    const chunk = await view(file, at, 8)
    const size = chunk.getUint32(4, true)
    if (text(chunk, 0) === 'fmt ') format = await view(file, at + 8, Math.min(size, 40))
    if (text(chunk, 0) === 'data') return format && described(file, format, at + 8, size, head.getUint32(4, true))
    at += 8 + size + (size % 2)
  }
  return null
}

function described(file: File, format: DataView, start: number, size: number, riff: number): Sound | null {
  if (format.byteLength < 16) return null
  const tag = format.getUint16(0, true)
  const kind = tag === EXTENSIBLE && format.byteLength >= 26 ? format.getUint16(24, true) : tag
  const [channels, rate, bytes] = [format.getUint16(2, true), format.getUint32(4, true), format.getUint16(14, true) / 8]
  const read = reader(kind, bytes)
  if (!read || !channels) return null
  const present = file.size - start
  const open = size === 0 ? riff !== file.size - 8 : isStreamed(size)
  if (!open && size > present)
    throw new PageError(`“${file.name}” is cut short: its header announces ${size} bytes of sound and ${present} came. Copy it again.`)
  const frame = channels * bytes
  const frames = Math.floor((open ? present : size) / frame)
  return {
    rate,
    channels,
    frames,
    async block(from: number, count: number): Promise<Float32Array<ArrayBuffer>[]> {
      const n = Math.min(count, frames - from)
      const data = await view(file, start + from * frame, n * frame)
      return Array.from({ length: channels }, (_, channel) => {
        const samples = new Float32Array(n)
        for (let i = 0; i < n; i++) samples[i] = read(data, i * frame + channel * bytes)
        return samples
      })
    },
  }
}

/** Sizes that a program writes when it cannot seek back: about 4 GiB (ffmpeg), about 2 GiB (sox, arecord). */
function isStreamed(size: number): boolean {
  return size >= 0xffff_ff00 || (size >= 0x7fff_ef00 && size <= 0x8000_0000)
}

function reader(kind: number, bytes: number): ((data: DataView, at: number) => number) | null {
  if (kind === FLOAT && bytes === 4) return (data, at) => data.getFloat32(at, true)
  if (kind === FLOAT && bytes === 8) return (data, at) => data.getFloat64(at, true)
  if (kind !== PCM) return null
  if (bytes === 1) return (data, at) => (data.getUint8(at) - 128) / 128
  if (bytes === 2) return (data, at) => data.getInt16(at, true) / 32_768
  if (bytes === 3) return (data, at) => (data.getInt16(at + 1, true) * 256 + data.getUint8(at)) / 8_388_608
  if (bytes === 4) return (data, at) => data.getInt32(at, true) / 2_147_483_648
  return null
}

async function view(file: File, start: number, length: number): Promise<DataView> {
  try {
    return new DataView(await file.slice(start, start + length).arrayBuffer())
  } catch {
    throw new PageError(`“${file.name}” cannot be read any more. Was it moved or changed? Open it again.`)
  }
}

function text(data: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => data.getUint8(at + i)))
}
