// An ONNX file read from its bytes, as runtime/onnx_bytes.py does: onnxruntime-web does not hand out metadata.

const METADATA = 14 // field number in ModelProto of onnx.proto3
const KEY = 1 // of StringStringEntryProto
const VALUE = 2

/** The bytes are no ONNX file, or end too early. */
export class NotOnnx extends Error {}

/** A metadata value and where it starts in the file. */
export interface Value {
  bytes: Uint8Array
  start: number
}

/** Every metadata entry of the ONNX file. Throws NotOnnx. */
export function metadata(data: Uint8Array): Map<string, Value> {
  if (data[0] !== 8) throw new NotOnnx() // each begins with its IR version: field 1, a varint
  const entries = new Map<string, Value>()
  for (const [field, start, end] of fields(data, 0, data.length)) {
    if (field !== METADATA) continue
    let key = ''
    let value: Value = { bytes: new Uint8Array(0), start: end }
    for (const [inner, a, b] of fields(data, start, end)) {
      if (inner === KEY) key = new TextDecoder().decode(data.subarray(a, b))
      if (inner === VALUE) value = { bytes: data.subarray(a, b), start: a }
    }
    entries.set(key, value)
  }
  return entries
}

/** [field number, start, end] of each field of the message data[start..end). */
function* fields(data: Uint8Array, start: number, end: number): Generator<[number, number, number]> {
  let at = start
  while (at < end) {
    let tag: number
    ;[tag, at] = varint(data, at, end)
    const field = Math.floor(tag / 8)
    const first = at
    let length = 0
    switch (tag % 8) {
      case 0:
        ;[, at] = varint(data, at, end)
        break
      case 1:
        length = 8
        break
      case 2:
        ;[length, at] = varint(data, at, end)
        break
      case 5:
        length = 4
        break
      default:
        throw new NotOnnx()
    }
    if (field < 1 || at + length > end) throw new NotOnnx()
    yield [field, tag % 8 === 0 ? first : at, at + length]
    at += length
  }
}

/** The base-128 number at `at`, and the place behind it. What goes beyond 2^53 is rounded: no length is that large. */
function varint(data: Uint8Array, at: number, end: number): [number, number] {
  let result = 0
  for (let factor = 1; factor < 2 ** 70; factor *= 128) {
    if (at >= end) throw new NotOnnx()
    const byte = data[at++]!
    result += (byte & 127) * factor
    if (byte < 128) return [result, at]
  }
  throw new NotOnnx()
}
