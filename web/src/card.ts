import { PageError } from './words'

/** What a model file says of itself: the card of runtime/model_file.py, as far as the page needs it. */
export interface Card {
  name: string
  system: string
  version: string
  created: string
  form: string
  precision: string
  labels: string[]
  rate: number // Hz
  window: number // samples
  hop: number // samples from window to window
  channels: 'mean' | 'first'
  temperature: number
  quietDb: number // windows so far below a clip's loudest are left out of its mean; 0: none
  unknownBelow: number
  claims: Record<string, unknown>
  complexity: Record<string, unknown>
}

const FORMAT = 1
const AGAIN = 'Export the model again.'
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]*$/u

/** The card in the JSON text of `tinyscene.model`. Throws PageError, naming what is wrong, with the rules of card_check.py. */
export function readCard(text: string): Card {
  const json = parsed(text)
  const format = json['format']
  if (typeof format === 'number' && format > FORMAT)
    throw new PageError(`The model has the format ${format}; this page reads up to ${FORMAT}. Make the page anew with a newer tinyscene.`)
  if (format !== FORMAT) throw wrong('format', String(FORMAT), format)
  const form = one(json, 'form', ['features', 'waveform'])
  if (form !== 'waveform')
    throw new PageError(
      'This model takes features, and this page has only sound to give. Export it for sound: tinyscene export RUN --form waveform',
    )
  const window = whole(json, 'window_samples', 1, 2 ** 21)
  const hop = json['hop_samples'] ? whole(json, 'hop_samples', Math.ceil(window / 1024), 2 ** 31) : window
  return {
    name: textOf(json, 'name'),
    system: textOf(json, 'system'),
    version: textOf(json, 'version'),
    created: json['created'] === undefined ? '' : textOf(json, 'created'),
    form,
    precision: one(json, 'precision', ['float32', 'float16', 'int8']),
    labels: labelsOf(json['labels']),
    rate: whole(json, 'sample_rate_hz', 2_000, 192_000),
    window,
    hop,
    channels: one(json, 'channels', ['mean', 'first']) as 'mean' | 'first',
    quietDb: json['quiet_db'] === undefined ? 0 : within(json, 'quiet_db', 0, 120),
    temperature: json['temperature'] === undefined ? 1 : within(json, 'temperature', 0.05, 20),
    unknownBelow: json['unknown_below'] === undefined ? 0 : within(json, 'unknown_below', 0, 1),
    claims: objectOf(json, 'claims'),
    complexity: objectOf(json, 'complexity'),
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text)
    if (isObject(json)) return json
  } catch {
    // told below, as what is no object
  }
  throw new PageError(`The model's card is no JSON object. ${AGAIN}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function labelsOf(value: unknown): string[] {
  const fits =
    Array.isArray(value) &&
    value.length >= 1 &&
    value.length <= 4096 &&
    value.every((label) => isText(label) && label !== '') &&
    new Set(value).size === value.length
  if (!fits) throw wrong('labels', 'a list of 1 to 4,096 printable labels, each once', value)
  return value as string[]
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 1000 && PRINTABLE.test(value)
}

function textOf(json: Record<string, unknown>, key: string): string {
  const value = json[key]
  if (!isText(value)) throw wrong(key, 'up to 1,000 printable characters', value)
  return value
}

function one(json: Record<string, unknown>, key: string, allowed: string[]): string {
  const value = json[key]
  if (typeof value !== 'string' || !allowed.includes(value)) throw wrong(key, allowed.join(' or '), value)
  return value
}

function within(json: Record<string, unknown>, key: string, low: number, high: number): number {
  const value = json[key]
  if (typeof value !== 'number' || !(value >= low && value <= high)) throw wrong(key, `${low} to ${high}`, value)
  return value
}

function whole(json: Record<string, unknown>, key: string, low: number, high: number): number {
  const value = within(json, key, low, high)
  if (!Number.isInteger(value)) throw wrong(key, 'a whole number', value)
  return value
}

function objectOf(json: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = json[key] ?? {}
  if (!isObject(value)) throw wrong(key, 'an object', value)
  return value
}

function wrong(key: string, takes: string, came: unknown): PageError {
  return new PageError(`The model's card: ${key} takes ${takes}; ${(JSON.stringify(came) ?? 'nothing').slice(0, 60)} came. ${AGAIN}`)
}
