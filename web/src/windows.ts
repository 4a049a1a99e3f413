// How sound becomes decision windows: the rules of runtime/windows.py.

/** No sample further than one step of 16 bits from the middle: digital silence, in which no scene can be heard. */
export const SILENCE_RANGE = 2 / 32_768

/** Largest less smallest sample. */
export function range(samples: Float32Array): number {
  let low = Infinity
  let high = -Infinity
  for (const sample of samples) {
    if (sample < low) low = sample
    if (sample > high) high = sample
  }
  return Math.fround(high - low)
}

/** Repeated until it is `window` long: silence added instead would shift every statistic. */
export function fillWindow(samples: Float32Array, window: number): Float32Array {
  const result = new Float32Array(window)
  for (let at = 0; at < window; at += samples.length) result.set(samples.subarray(0, Math.min(samples.length, window - at)), at)
  return result
}

/** Root mean square about the mean, dB of full scale, -120 or more. */
export function levelDbfs(samples: Float32Array): number {
  let sum = 0
  for (const sample of samples) sum += sample
  const mean = sum / samples.length
  let squares = 0
  for (const sample of samples) squares += (sample - mean) ** 2
  return 20 * Math.log10(Math.max(Math.sqrt(squares / samples.length), 1e-6))
}

/** Python's round(): halves go to the even number. */
export function roundHalfEven(value: number): number {
  const down = Math.floor(value)
  if (value - down !== 0.5) return Math.round(value)
  return down % 2 === 0 ? down : down + 1
}
