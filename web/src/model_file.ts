import { readCard, type Card } from './card'
import { metadata, NotOnnx, type Value } from './onnx_bytes'
import { PageError } from './words'

const CARD_KEY = 'tinyscene.model'
const CHECKSUM_KEY = 'tinyscene.sha256'
const LARGEST = 64 << 20 // bytes, as the Python runtime takes
const LARGEST_CARD = 4 << 20

/** The card of a model file, once the file is known to be ours, whole and unchanged. Throws PageError. */
export async function readModelFile(data: Uint8Array<ArrayBuffer>): Promise<Card> {
  if (data.length === 0) throw new PageError('The model file is empty (0 bytes). Copy or download it again.')
  if (data.length > LARGEST) throw new PageError('The model file is larger than 64 MiB, the most that is taken. Is it the right file?')
  const entries = entriesOf(data)
  const card = entries.get(CARD_KEY)
  if (!card)
    throw new PageError(
      'This is an ONNX file, but not a tinyscene model: it does not say which classes and which sound it is for. ' +
        'Write one with: tinyscene export RUN --form waveform',
    )
  if (card.bytes.length > LARGEST_CARD) throw new PageError("The model's card is larger than 4 MiB. Export the model again.")
  const result = readCard(new TextDecoder().decode(card.bytes))
  await checkSum(data, entries.get(CHECKSUM_KEY))
  return result
}

function entriesOf(data: Uint8Array): Map<string, Value> {
  try {
    return metadata(data)
  } catch (error) {
    if (!(error instanceof NotOnnx)) throw error
    throw new PageError(
      'This is not a model file (.onnx), or it is cut short. Write one with: tinyscene export RUN --form waveform',
    )
  }
}

/** The SHA-256 of the file with its own 64 characters replaced by zeros is what these say. */
async function checkSum(data: Uint8Array<ArrayBuffer>, seal: Value | undefined): Promise<void> {
  if (seal?.bytes.length !== 64) throw new PageError('The end of the model file is cut off or changed. Copy or download it again.')
  if (!globalThis.crypto?.subtle) return // a page that came by plain http from elsewhere has no hash at hand
  const told = new TextDecoder().decode(seal.bytes)
  const unsealed = data.slice()
  unsealed.fill('0'.charCodeAt(0), seal.start, seal.start + 64)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', unsealed))
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (found !== told)
    throw new PageError('The model file was changed or damaged since it was written: its checksum does not fit. Copy or download it again.')
}
