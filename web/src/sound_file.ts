import { readWav } from './wav_file'
import { PageError } from './words'

export const LONGEST_S = 30 * 60 // of what the browser decodes whole: half an hour of stereo takes 640 MB
const LARGEST = 400 << 20 // bytes

/** A file's sound, block by block. */
export interface Sound {
  rate: number // Hz
  channels: number
  frames: number
  /** Up to `count` samples of each channel. */
  block(from: number, count: number): Promise<Float32Array<ArrayBuffer>[]>
}

/** A wav at its own rate; anything else decoded by the browser and resampled to `rate`. Throws PageError. */
export async function openSound(file: File, rate: number): Promise<Sound> {
  const what = `“${file.name}”`
  if (file.size === 0) throw new PageError(`${what} is empty (0 bytes). Copy or download it again.`)
  const sound = (await readWav(file)) ?? (await decoded(file, rate))
  if (sound.channels > 2) throw new PageError(`${what} has ${sound.channels} channels; 1 or 2 are taken. Mix it down first.`)
  if (sound.frames === 0) throw new PageError(`${what} holds no samples. Take another file.`)
  if (!(sound.rate >= 2_000 && sound.rate <= 192_000))
    throw new PageError(`${what} has a sample rate of ${sound.rate} Hz; 2,000 to 192,000 Hz are taken. Resample it first.`)
  return sound
}

async function decoded(file: File, rate: number): Promise<Sound> {
  const what = `“${file.name}”`
  if (file.size > LARGEST || (await duration(file)) > LONGEST_S)
    throw new PageError(
      `${what} is longer than this page takes (${LONGEST_S / 60} minutes, if it is no wav). Cut it, or run: tinyscene classify MODEL FILE`,
    )
  let buffer: AudioBuffer
  try {
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer())
  } catch {
    throw new PageError(
      `${what} cannot be decoded: it is no sound that this browser knows, or it is damaged. Most take wav, mp3, ogg, flac and m4a.`,
    )
  }
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i))
  return {
    rate,
    channels: channels.length,
    frames: buffer.length,
    block: (from, count) => Promise.resolve(channels.map((channel) => channel.slice(from, from + count))),
  }
}

/** What the file says it lasts, seconds; 0 where it does not say. */
function duration(file: File): Promise<number> {
  const player = new Audio()
  const address = URL.createObjectURL(file)
  return new Promise<number>((resolve) => {
    player.preload = 'metadata'
    player.onloadedmetadata = () => resolve(Number.isFinite(player.duration) ? player.duration : 0)
    player.onerror = () => resolve(0)
    setTimeout(() => resolve(0), 3000)
    player.src = address
  }).finally(() => {
    player.removeAttribute('src')
    URL.revokeObjectURL(address)
  })
}
